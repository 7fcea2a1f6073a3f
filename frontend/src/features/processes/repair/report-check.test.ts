import { expect, it } from "vitest";
import { lackingColumns, lackingWords } from "./report-check";

const COLUMNS = ["id", "=sum", ""];

it("finds nothing lacking in a report, whatever its order and further columns", () => {
  expect(lackingColumns(["_row", "note", "'=sum", "id", "_code"], COLUMNS)).toEqual([]);
  expect(lackingColumns(["row", "line", "state", "errors", "cells"], COLUMNS)).toEqual([]);
});

it("names what a wrong file lacks", () => {
  expect(lackingColumns(["id", "name"], COLUMNS)).toEqual(["=sum", "_row"]);
  expect(lackingWords(["=sum", "_row"])).toBe("It lacks the columns “=sum”, “_row”.");
  expect(lackingWords(["_row"])).toBe("It lacks the column “_row”.");
});

it("knows the report of a file that has a column _row itself", () => {
  expect(lackingColumns(["_row", "__row"], ["_row"])).toEqual([]);
  expect(lackingColumns(["_row"], ["_row"])).toEqual(["__row"]);
});

it("does not list hundreds of columns", () => {
  const many = Array.from({ length: 40 }, (_, index) => `c${index}`);
  expect(lackingWords(many)).toMatch(/“c9” and 30 more\.$/);
});
