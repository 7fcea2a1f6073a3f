import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { RowErrorSchema } from "@/api/contract";
import { errorsByCell, errorText, mappingOf } from "./columns";

const COLUMNS = ["id", "name", "a, b", "born"];
const error = (field: string) => create(RowErrorSchema, { field, code: "type-error", message: "is wrong" });

function cells(field: string, mapping: Record<string, string> = {}): number[] {
  return [...errorsByCell([error(field)], COLUMNS, new Map(Object.entries(mapping))).keys()];
}

it("finds the column of a field", () => {
  expect(cells("name")).toEqual([1]);
  expect(cells("full_name", { full_name: "name" })).toEqual([1]);
});

it("finds the columns of a rule, and labels that contain a comma", () => {
  expect(cells("id, born")).toEqual([0, 3]);
  expect(cells("a, b")).toEqual([2]);
});

it("assigns errors without a column to the whole record", () => {
  expect(cells("")).toEqual([-1]);
  expect(cells("computed")).toEqual([-1]);
});

it("groups the errors of a cell", () => {
  expect(errorsByCell([error("id"), error("id")], COLUMNS, new Map()).get(0)).toHaveLength(2);
});

it("names the field of an error once", () => {
  const text = (field: string, message: string) => errorText(create(RowErrorSchema, { field, message }));
  expect(text("born", "is no date")).toBe("born: is no date");
  expect(text("born", "born: is no date")).toBe("born: is no date");
  expect(text("", "has 9 cells")).toBe("has 9 cells");
});

it("reads the mapping of any document", () => {
  expect(mappingOf('{"mapping": {"full_name": "name", "x": 3}}')).toEqual(new Map([["full_name", "name"]]));
  expect(mappingOf("no json").size).toBe(0);
  expect(mappingOf("null").size).toBe(0);
});
