import { expect, it } from "vitest";
import { cellAfter } from "./keyboard";

const SIZE = { rows: 100, columns: 8, page: 20 };
const FROM = { index: 50, column: 3 };

it.each([
  ["ArrowDown", false, { index: 51, column: 3 }],
  ["ArrowUp", false, { index: 49, column: 3 }],
  ["ArrowRight", false, { index: 50, column: 4 }],
  ["ArrowLeft", false, { index: 50, column: 2 }],
  ["PageDown", false, { index: 70, column: 3 }],
  ["PageUp", false, { index: 30, column: 3 }],
  ["Home", false, { index: 50, column: 0 }],
  ["End", false, { index: 50, column: 7 }],
  ["Home", true, { index: 0, column: 0 }],
  ["End", true, { index: 99, column: 3 }],
])("%s (ctrl: %s)", (key, ctrl, cell) => {
  expect(cellAfter(key, ctrl, FROM, SIZE)).toEqual(cell);
});

it("stays inside the grid", () => {
  expect(cellAfter("PageDown", false, { index: 95, column: 0 }, SIZE)?.index).toBe(99);
  expect(cellAfter("ArrowLeft", false, { index: 0, column: 0 }, SIZE)).toEqual({ index: 0, column: 0 });
});

it("ignores other keys", () => {
  expect(cellAfter("Tab", false, FROM, SIZE)).toBeNull();
});
