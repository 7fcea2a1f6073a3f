import { expect, it } from "vitest";
import { dialectWords } from "./dialect";

it("describes how a file is read", () => {
  expect(
    dialectWords('{"format": "csv", "delimiter": ";", "encoding": "utf-8", "compression": "gzip"}'),
  ).toBe("CSV · gzip · semicolon · UTF-8");
  expect(dialectWords('{"format": "csv", "delimiter": "^"}')).toBe("CSV · delimiter ^");
  expect(dialectWords('{"format": "xlsx", "sheet": "Prices"}')).toBe("XLSX · sheet Prices");
});

it("leaves out unknown keys", () => {
  expect(dialectWords("")).toBe("");
  expect(dialectWords("[1]")).toBe("");
});
