import { describe, expect, it } from "vitest";
import type { PipelineDocument } from "@/features/pipelines";
import { listed, neededFields, stepsLackColumns, unreadColumns } from "./not-loaded";

const DOCUMENT: PipelineDocument = {
  name: "p",
  schema: {
    fields: [
      { name: "id", type: "integer" },
      { name: "first", type: "string", constraints: { required: true } },
      { name: "total", type: "number" },
    ],
    primaryKey: "id",
  },
  transforms: [
    { op: "split", column: "Name", into: ["first", "last"] },
    { op: "expression", into: "total", sql: 'price * "Net qty"' },
  ],
  filters: [{ op: "not_empty", column: "status", reason: "x" }],
  sink: { table: "t" },
};
const matches = [{ label: "id" }, { label: "first" }, { label: "total" }];

describe("unreadColumns", () => {
  it("are those that no field and no step reads", () => {
    const labels = ["id", "Name", "price", "Net qty", "status", "note", "pric"];
    expect(unreadColumns(DOCUMENT, labels, matches)).toEqual(["note", "pric"]);
  });

  it("are none where the table gets the file's columns", () => {
    const evolving = { ...DOCUMENT, sink: { table: "t", schemaDrift: "evolve" } };
    expect(unreadColumns(evolving, ["id", "note"], matches)).toEqual([]);
  });
});

it("needs the key and what is required", () => {
  expect([...neededFields(DOCUMENT)].sort()).toEqual(["first", "id"]);
});

it("knows when a step lacks its column", () => {
  expect(stepsLackColumns(DOCUMENT, ["Name", "status"])).toBe(false);
  expect(stepsLackColumns(DOCUMENT, ["Name"])).toBe(true);
});

it("lists names", () => {
  expect(listed(["a", "b"])).toBe("a, b");
  expect(listed(["a", "b", "c", "d"], 2)).toBe("a, b and 2 others");
});
