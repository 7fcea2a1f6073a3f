import { expect, it } from "vitest";
import { pastedTable } from "./pasted";

const NOW = new Date(2026, 10, 3, 9, 5, 7);

it("makes a file of rows from a spreadsheet", async () => {
  const file = pastedTable("id\tname\r\n1\tAnna\r\n", NOW);
  expect(file?.name).toBe("pasted-2026-11-03-090507.tsv");
  expect(await file?.text()).toBe("id\tname\r\n1\tAnna\r\n");
});

it.each([
  ["a,b\n1,2", "csv"],
  ["a\tb", "tsv"],
])("names %j by what it is", (text, ending) => {
  expect(pastedTable(text, NOW)?.name).toMatch(new RegExp(`\\.${ending}$`));
});

it.each(["", "  \n", "a word", "a, sentence."])("leaves %j alone", (text) => {
  expect(pastedTable(text, NOW)).toBeNull();
});
