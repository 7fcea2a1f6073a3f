import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { InspectedColumnSchema, NoticeSchema } from "@/api/contract";
import type { PipelineDocument } from "@/features/pipelines";
import { declare, describeDialect, parseDialect, writeDialect } from "../preview/dialect";
import {
  candidatesOf,
  describeCandidate,
  draftFrom,
  JSON_ROWS,
  matchPipeline,
  mayLackColumns,
  missingFields,
  NEW,
  noticesOf,
  redraft,
  retyped,
  typeKeys,
  withMatches,
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
    expect(withMatches(PIPELINE, matches)).toBe(PIPELINE);
    expect(missingFields(matches)).toEqual([]);
  });

  it("maps renamed columns and leaves those that transforms make alone", () => {
    const matches = matchPipeline(PIPELINE, columns("ID", "E-Mail", "Name"), new Map());
    expect(withMatches(PIPELINE, matches).mapping).toEqual({ id: "ID", email: "E-Mail" });
  });

  it("keeps the person's choice, and suggests the rest from the remaining columns", () => {
    const matches = matchPipeline(PIPELINE, columns("ID", "E-Mail", "Mail 2"), new Map([["id", "E-Mail"]]));
    expect(matches[0]).toEqual({ field: "id", label: "E-Mail", confidence: 1, byHand: true });
    expect(matches[1]?.label).toBe("Mail 2");
  });

  it("lists fields without a column", () => {
    const matches = matchPipeline(PIPELINE, columns("id"), new Map([["email", ""]]));
    expect(missingFields(matches)).toEqual(["email"]);
  });
});

describe("drafts", () => {
  it("are named after the file", () => {
    const draft = draftFrom(JSON.stringify({ ...PIPELINE, name: "x", sink: {} }), "My People 2024.csv");
    expect(draft?.name).toBe("my-people-2024");
    expect(draft?.sink.table).toBe("my_people_2024");
    expect(draftFrom("", "a.csv")).toBeNull();
  });

  it("keep decisions when the file is read with another dialect", () => {
    const before: PipelineDocument = {
      ...PIPELINE,
      name: "mine",
      schema: { ...PIPELINE.schema, primaryKey: ["id", "gone"] },
      sink: { table: "crm.people", mode: "upsert", key: ["gone"] },
    };
    const after = redraft(PIPELINE, before);
    expect(after.name).toBe("mine");
    expect(after.sink).toEqual({ table: "crm.people", mode: "upsert", key: undefined });
    expect(after.schema.primaryKey).toEqual(["id"]);
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
