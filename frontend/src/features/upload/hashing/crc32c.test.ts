import { expect, it } from "vitest";
import { crc32c } from "./crc32c";

const bytes = (...values: number[]) => new Uint8Array(values);

// Vectors of RFC 3720, B.4.
it.each([
  [new Uint8Array(32), 0x8a9136aa],
  [new Uint8Array(32).fill(0xff), 0x62a8ab43],
  [Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
  [Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
  [new TextEncoder().encode("123456789"), 0xe3069283],
  [bytes(), 0],
])("vector %#", (input, checksum) => {
  expect(crc32c(input)).toBe(checksum);
});

it("respects the offset of a view in its buffer", () => {
  const whole = new TextEncoder().encode("xx123456789yy");
  expect(crc32c(whole.subarray(2, 11))).toBe(0xe3069283);
});
