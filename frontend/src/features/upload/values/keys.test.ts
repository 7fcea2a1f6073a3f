import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { InspectedColumnSchema } from "@/api/contract";
import type { PipelineDocument } from "@/features/pipelines";
import { fewValues, keyCandidates, keyColumns, keyOf } from "./keys";

const column = (
  label: string,
  keys: { unique?: boolean; type?: string; values?: string[]; missing?: bigint },
) => create(InspectedColumnSchema, { label, name: label, type: "string", ...keys });

describe("keyCandidates", () => {
  const columns = [
    column("name", { unique: true }),
    column("price", { unique: true, type: "number" }),
    column("country", {}),
    column("customerNo", { unique: true, type: "integer" }),
    column("E-Mail", { unique: true }),
    column("note", { unique: true }),
  ];

  it("have no duplicates, and look like a key first", () => {
    expect(keyCandidates(columns, 100n)).toEqual(["customerNo", "name", "E-Mail"]);
  });

  it("are not guessed from one row", () => {
    expect(keyCandidates(columns, 1n)).toEqual([]);
  });
});

describe("the key of a pipeline", () => {
  const document: PipelineDocument = {
    name: "p",
    schema: {
      fields: [
        { name: "a", type: "string" },
        { name: "b", type: "string" },
      ],
      primaryKey: ["a", "b"],
    },
    mapping: { a: "A" },
    sink: { table: "t" },
  };

  it("is the upsert's, or else the primary key", () => {
    expect(keyOf(document)).toEqual(["a", "b"]);
    expect(keyOf({ ...document, sink: { table: "t", mode: "upsert", key: "a" } })).toEqual(["a"]);
    expect(keyOf({ ...document, sink: { table: "t", mode: "upsert" } })).toEqual(["a", "b"]);
  });

  it("is counted by the file's columns, if it is in the file as it is", () => {
    expect(keyColumns(document, (field) => field.toUpperCase())).toEqual(["A", "B"]);
    expect(keyColumns(document, (field) => (field === "a" ? "A" : null))).toEqual([]);
    const transforms = [{ op: "concatenate", columns: ["x", "y"], into: "A" }];
    expect(keyColumns({ ...document, transforms }, (field) => field)).toEqual([]);
  });
});

it("offers values that are few and repeat", () => {
  const values = ["DE", "FR"];
  expect(fewValues(column("c", { values }), 4n)).toEqual(values);
  expect(fewValues(column("c", { values, missing: 1n }), 4n)).toEqual([]);
  expect(fewValues(column("c", { values: ["DE"] }), 4n)).toEqual([]);
  expect(fewValues(column("c", { values: Array.from("abcdefghijklm") }), 100n)).toEqual([]);
});
