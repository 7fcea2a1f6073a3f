import { expect, it } from "vitest";
import { refuse } from "./checks";

const text = (content: string) => new TextEncoder().encode(content);

it.each([
  ["a CSV file", text("id,name\n1,Anna\n")],
  ["a gzip file", new Uint8Array([0x1f, 0x8b, 8, 0])],
  ["a workbook or zip", text("PK\u0003\u0004")],
  ["Parquet", text("PAR1")],
  ["a table whose first label begins like a bitmap's", text("BM,id\n")],
  ["UTF-16", new Uint8Array([0xff, 0xfe, 0x69, 0])],
])("sends %s", (_, head) => {
  expect(refuse(1000, head)).toBeNull();
});

it.each([
  ["a PDF document", text("%PDF-1.7")],
  ["an old Excel or Word file", new Uint8Array([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1])],
  ["a PNG picture", new Uint8Array([0x89, 0x50, 0x4e, 0x47])],
  ["a video", text("....ftypisom")],
])("refuses %s", (kind, head) => {
  expect(refuse(1000, head)).toContain(kind);
});

it("refuses an empty file", () => {
  expect(refuse(0, text(""))).toBe("The file is empty.");
});
