import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { InspectedColumnSchema, NoticeSchema } from "@/api/contract";
import type { PipelineDocument } from "@/features/pipelines";
import { declare, describeDialect, parseDialect, writeDialect } from "../preview/dialect";
import { withMatches } from "./labels";
import {
  candidatesOf,
  describeCandidate,
  draftFrom,
  JSON_ROWS,
  matchPipeline,
  mayLackColumns,
  NEW,
  noticesOf,
  redraft,
  retyped,
  typeKeys,
} from "./plan";

const PIPELINE: PipelineDocument = {
  name: "people",
  schema: {
    fields: [
      { name: "id", type: "integer" },
      { name: "email", type: "string" },
      { name: "first", type: "string" },
    ],
  },
  transforms: [{ column: "Name", op: "split", separator: " ", into: ["first", "last"] }],
  sink: { table: "people" },
};

const columns = (...labels: string[]) =>
  labels.map((label) => create(InspectedColumnSchema, { label, name: label, type: "string" }));

describe("matching a pipeline with a file", () => {
  it("changes nothing when the file matches the pipeline", () => {
    const matches = matchPipeline(PIPELINE, columns("id", "email", "Name"), new Map());
    expect(matches.every(({ confidence }) => confidence === 1)).toBe(true);
    expect(withMatches(PIPELINE, matches, new Set(["id", "email", "Name"]))).toBe(PIPELINE);
  });

  it("maps renamed columns and leaves those that transforms make alone", () => {
    const matches = matchPipeline(PIPELINE, columns("ID", "E-Mail", "Name"), new Map());
    const { mapping, schema } = withMatches(PIPELINE, matches, new Set(["ID", "E-Mail", "Name"]));
    expect(mapping).toBeUndefined();
    expect(schema.fields.map(({ labels }) => labels)).toEqual([["ID"], ["E-Mail"], undefined]);
  });

  it("keeps the person's choice, and suggests the rest from the remaining columns", () => {
    const matches = matchPipeline(PIPELINE, columns("ID", "E-Mail", "Mail 2"), new Map([["id", "E-Mail"]]));
    expect(matches[0]).toEqual({ field: "id", label: "E-Mail", confidence: 1, byHand: true });
    expect(matches[1]?.label).toBe("Mail 2");
  });
});

describe("drafts", () => {
  const drafted: PipelineDocument = {
    name: "people-2024",
    schema: {
      fields: [
        { name: "id", type: "integer" },
        { name: "size", type: "string" },
        { name: "note", type: "string" },
        { name: "day", type: "string" },
      ],
    },
    mapping: { size: "Größe" },
    transforms: [{ column: "id", op: "trim" }],
    sink: { table: "people_2024" },
  };

  it("are the server's", () => {
    expect(draftFrom(JSON.stringify(drafted))).toEqual(drafted);
    expect(draftFrom("")).toBeNull();
  });

  it("keep decisions when the file is read otherwise", () => {
    const before: PipelineDocument = {
      ...drafted,
      name: "mine",
      schema: {
        fields: [
          { name: "id", type: "integer" },
          { name: "height", type: "number" },
          { name: "day", type: "string" },
        ],
        primaryKey: ["id", "gone"],
      },
      mapping: { height: "Größe" },
      transforms: [...(drafted.transforms ?? []), { column: "id", op: "map", values: { a: "b" } }],
      sink: { table: "crm.people", mode: "upsert", key: ["gone"] },
    };
    const anew: PipelineDocument = {
      ...drafted,
      schema: {
        fields: [
          { name: "id", type: "string" },
          { name: "size", type: "string" },
          { name: "note", type: "date" },
          { name: "city", type: "string" },
        ],
      },
      transforms: [],
    };
    const after = redraft(drafted, before, anew);
    expect(after.name).toBe("mine");
    // What nobody touched is drafted anew, what was left out stays out.
    expect(after.schema.fields).toEqual([
      { name: "id", type: "string" },
      { name: "height", type: "number" },
      { name: "city", type: "string" },
    ]);
    expect(after.mapping).toEqual({ height: "Größe" });
    expect(after.transforms).toEqual([{ column: "id", op: "map", values: { a: "b" } }]);
    expect(after.sink).toEqual({ table: "crm.people", mode: "upsert", key: undefined });
    expect(after.schema.primaryKey).toEqual(["id"]);
  });

  it("are the new draft where nothing was decided", () => {
    const anew = { ...drafted, name: "people-2025", sink: { table: "people_2025" } };
    expect(redraft(drafted, drafted, anew)).toMatchObject(anew);
  });
});

describe("types of a drafted field", () => {
  const day = {
    name: "day",
    type: "string",
    missingValues: ["-"],
    "x-candidates": [
      { type: "date", format: "%d/%m/%Y" },
      { type: "date", format: "%m/%d/%Y" },
    ],
  };

  it("are chosen from what the column may be", () => {
    const [first, second] = candidatesOf(day);
    if (first === undefined || second === undefined) throw new Error("two candidates");
    expect(describeCandidate(second)).toBe("date %m/%d/%Y");
    const chosen = retyped(day, second);
    expect(chosen).toEqual({ name: "day", missingValues: ["-"], type: "date", format: "%m/%d/%Y" });
    expect(typeKeys(chosen)).toEqual(second);
    expect(retyped(chosen, { type: "string" })).toEqual({
      name: "day",
      missingValues: ["-"],
      type: "string",
    });
  });

  it("take their settings with them", () => {
    const price = { name: "price", type: "number", groupChar: ",", bareNumber: false, title: "Price" };
    expect(retyped(price, { type: "string" })).toEqual({ name: "price", type: "string", title: "Price" });
  });

  it("are told with the notices of the dry run", () => {
    const drafted = create(NoticeSchema, { code: "percent-as-number", message: "a" });
    const read = create(NoticeSchema, { code: "other-sheets", message: "b" });
    expect(noticesOf(NEW, [drafted, read], undefined)).toEqual([drafted, read]);
    expect(noticesOf(NEW, [drafted, read], [read])).toEqual([drafted, read]);
    expect(noticesOf(JSON_ROWS, [drafted, read], [read])).toEqual([read]);
  });
});

describe("dialects", () => {
  it("hold only what is declared", () => {
    const declared = declare(declare({}, "delimiter", ";"), "encoding", "cp1252");
    expect(parseDialect(writeDialect(declared))).toEqual({ delimiter: ";", encoding: "cp1252" });
    expect(writeDialect(declare(declare(declared, "delimiter", null), "encoding", null))).toBe("");
    expect(declare({}, "skipLines", 0)).toEqual({ skipLines: 0 });
  });

  it("are described in one line", () => {
    const dialect = { format: "csv", delimiter: ";", encoding: "utf-8", compression: "gzip" };
    expect(describeDialect(dialect)).toBe("Delimited text (CSV, TSV) · Semicolon · UTF-8 · gzip");
    expect(describeDialect({ format: "xlsx", compression: "none" })).toBe("Excel workbook");
  });
});

describe("mayLackColumns", () => {
  it.each([
    [undefined, false],
    ["exact", false],
    ["equal", false],
    ["subset", false],
    ["superset", true],
    ["partial", true],
  ])("%s: %s", (fieldsMatch, allowed) => {
    const schema = fieldsMatch === undefined ? { fields: [] } : { fields: [], fieldsMatch };
    expect(mayLackColumns({ name: "p", schema, sink: { table: "t" } })).toBe(allowed);
    expect(mayLackColumns(null)).toBe(false);
  });
});
