import { expect, test } from "vitest";
import { formatOptions, formatValue, patternInWords, presented, remarks } from "./formats";

test("formats are shown as words", () => {
  expect(patternInWords("%d/%m/%Y %I:%M %p")).toBe("DD/MM/YYYY hh:mm AM/PM");
});

test.each([
  ["date", "2025-01-08", "8 January 2025"],
  ["datetime", "2025-01-08T14:05:00+00:00", "8 January 2025, 14:05 UTC"],
  ["datetime", "2025-01-08T14:05:09.500000+00:00", "8 January 2025, 14:05:09.500000 UTC"],
  ["date", "not a day", "not a day"],
  ["number", "1234.5", "1234.5"],
])("a %s is shown as people read it", (type, understood, shown) => {
  expect(presented(type, understood)).toBe(shown);
});

test("a field's own format is among those to choose from", () => {
  const field = { name: "day", type: "date", format: "%Y.%m.%d", missingValues: ["", "-"] };
  const options = formatOptions(field);
  expect(options.find(({ value }) => value === formatValue(field))?.label).toBe("YYYY.MM.DD");
  expect(options.find(({ value }) => value === "%d/%m/%Y")?.keys).toEqual({ ...field, format: "%d/%m/%Y" });
  expect(options[0]?.keys).not.toHaveProperty("format");
});

test.each([
  [{ type: "number", decimalChar: ",", groupChar: "." }, "1.234,5"],
  [{ type: "number" }, "1234.5"],
  [{ type: "integer", groupChar: "." }, "1.234"],
])("%j is written as %s", (field, label) => {
  const option = formatOptions(field).find(({ value }) => value === formatValue(field));
  expect(option?.label).toBe(label);
  expect(option?.keys).toEqual(field);
});

test("text has no format", () => {
  expect(formatOptions({ type: "string" })).toEqual([]);
});

test("what stands beside numbers and for missing values is said", () => {
  expect(remarks({ type: "number", bareNumber: false, missingValues: ["", "NULL", "-"] })).toEqual([
    "Currency or % beside the number is left out.",
    "NULL, -: empty.",
  ]);
});
