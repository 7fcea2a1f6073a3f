import { expect, test } from "vitest";
import { saysHeader, withHeaderAt, withHeaderFound, withoutHeader } from "./header-line";

test("a clicked line is the header, alone, whatever was said before", () => {
  const before = { delimiter: ";", skipLines: 1, headerRows: 2, header: false, columns: ["a"] };
  expect(withHeaderAt(before, 4n)).toEqual({ delimiter: ";", skipLines: 3, header: true, headerRows: 1 });
});

test("without a header the lines above the table stay out", () => {
  expect(withoutHeader({ encoding: "cp1252" }, 1n)).toEqual({ encoding: "cp1252", header: false });
  expect(withoutHeader({ headerRows: 2 }, 3n)).toEqual({ skipLines: 2, header: false });
});

test("what was said of the header can be taken back", () => {
  const said = withHeaderAt({ delimiter: "," }, 2n);
  expect(saysHeader(said)).toBe(true);
  expect(withHeaderFound(said)).toEqual({ delimiter: "," });
  expect(saysHeader(withHeaderFound(said))).toBe(false);
});
