import { expect, it } from "vitest";
import { rowsWords } from "./rows-words";

const counts = {
  tableRows: 5n,
  processRows: 3n,
  aboutTableRows: undefined,
  rowsBefore: 2n,
  rowsBeforeEstimated: false,
};

it.each([
  [{}, "had 2 rows before, has 5 now: 3 of this process, 2 others."],
  [{ rowsBefore: 1n }, "had 1 row before, has 5 now: 3 of this process, 2 others."],
  [{ rowsBefore: undefined }, "has 5 rows now: 3 of this process, 2 others."],
  [
    { rowsBefore: 20_000n, rowsBeforeEstimated: true, tableRows: 20_003n },
    "had about 20,000 rows before, has 20,003 now: 3 of this process, 20,000 others.",
  ],
  [
    { rowsBefore: 20_000n, rowsBeforeEstimated: true, tableRows: undefined, aboutTableRows: 30_000n },
    "had about 20,000 rows before, has about 30,000 now.",
  ],
  [
    { tableRows: undefined, rowsBefore: undefined, aboutTableRows: 9_999_999n },
    "has about 9,999,999 rows now.",
  ],
  [{ tableRows: undefined }, ""],
])("says what the table had and has: %#", (part, words) => {
  expect(rowsWords({ ...counts, ...part })).toBe(words);
});
