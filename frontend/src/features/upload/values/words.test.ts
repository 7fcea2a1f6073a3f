import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { InspectedColumnSchema } from "@/api/contract";
import type { PipelineDocument } from "@/features/pipelines";
import { hasEnum, suggest, unmatchedValues, withEnum, withValues } from "./words";

const DOCUMENT: PipelineDocument = {
  name: "p",
  schema: {
    fields: [
      { name: "active", type: "boolean" },
      { name: "country", type: "string", constraints: { enum: ["DE", "FR"] } },
      { name: "note", type: "string" },
    ],
  },
  mapping: { country: "Land" },
  transforms: [{ column: "Land", op: "trim" }],
  sink: { table: "t" },
};
const column = (label: string, values: string[]) =>
  create(InspectedColumnSchema, { label, name: label, values });
const COLUMNS = [
  column("active", ["ja", "true", "oui", "nein"]),
  column("Land", ["Germany", "DE", "Frankreich"]),
  column("note", ["x"]),
];
const columnOf = (field: string) => (field === "country" ? "Land" : field);

it("finds the values that a boolean or an enum does not take", () => {
  expect(unmatchedValues(DOCUMENT, COLUMNS, columnOf)).toEqual([
    { field: "active", values: ["ja", "oui", "nein"], options: ["true", "false"] },
    { field: "country", values: ["Germany", "Frankreich"], options: ["DE", "FR"] },
  ]);
});

describe("suggest", () => {
  it.each([
    ["ja", ["true", "false"], "true"],
    ["Oui", ["true", "false"], "true"],
    ["nein", ["true", "false"], "false"],
    ["maybe", ["true", "false"], ""],
    ["Germany", ["DE", "FR"], "DE"],
    ["Frankreich", ["DE", "FR"], "FR"],
    ["de", ["DE", "FR"], "DE"],
    ["Atlantis", ["DE", "FR"], ""],
    ["In Progress", ["open", "in_progress"], "in_progress"],
    ["in progres", ["open", "in_progress"], "in_progress"],
  ])("%s", (value, options, expected) => {
    expect(suggest(value, options)).toBe(expected);
  });
});

describe("withValues", () => {
  it("adds words to a boolean, which keeps those that it had", () => {
    const next = withValues(
      DOCUMENT,
      "active",
      new Map([
        ["ja", "true"],
        ["nein", "false"],
        ["oui", ""],
      ]),
    );
    expect(next.schema.fields[0]).toEqual({
      name: "active",
      type: "boolean",
      trueValues: ["true", "True", "TRUE", "1", "t", "ja"],
      falseValues: ["false", "False", "FALSE", "0", "f", "nein"],
    });
    expect(unmatchedValues(next, COLUMNS, columnOf)[0]?.values).toEqual(["oui"]);
  });

  it("maps the values of an enum by one step, after those before it", () => {
    const one = withValues(DOCUMENT, "country", new Map([["Germany", "DE"]]));
    const two = withValues(one, "country", new Map([["Frankreich", "FR"]]));
    expect(two.transforms).toEqual([
      { column: "Land", op: "trim" },
      { column: "Land", op: "map", values: { Germany: "DE", Frankreich: "FR" } },
    ]);
    expect(unmatchedValues(two, COLUMNS, columnOf).map(({ field }) => field)).toEqual(["active"]);
  });
});

it("makes an enum of a few values, and takes it back", () => {
  const next = withEnum(DOCUMENT, "note", ["x", "y"]);
  const note = next.schema.fields[2];
  expect(note).toEqual({ name: "note", type: "string", constraints: { enum: ["x", "y"] } });
  expect(note && hasEnum(note)).toBe(true);
  expect(withEnum(next, "note", [])).toEqual(DOCUMENT);
});
