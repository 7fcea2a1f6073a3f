import { describe, expect, it } from "vitest";
import { formatAgo, formatBytes, formatCount, formatDuration, formatShare, plural } from "./format";

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536n, "1.5 KiB"],
    [1024 ** 2 - 1, "1.0 MiB"],
    [5 * 1024 ** 3, "5.0 GiB"],
    [123 * 1024 ** 2, "123 MiB"],
  ])("%s is %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe("formatDuration", () => {
  it.each([
    [0, "0 ms"],
    [949, "949 ms"],
    [4_200, "4.2 s"],
    [9_960, "10 s"],
    [59_400, "59 s"],
    [59_600, "1 min"],
    [200_000, "3 min 20 s"],
    [7_500_000, "2 h 5 min"],
    [3 * 86_400_000 + 4 * 3_600_000, "3 d 4 h"],
    [Number.POSITIVE_INFINITY, "–"],
  ])("%d ms is %s", (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });
});

it("keeps counts beyond 2^53 exact", () => {
  expect(formatCount(2n ** 53n + 1n)).toBe("9,007,199,254,740,993");
});

it("never rounds a share to 100% or 0% unless it is", () => {
  expect(formatShare(999_999, 1_000_000)).toBe(">99.9%");
  expect(formatShare(1, 1_000_000)).toBe("<0.1%");
  expect(formatShare(0, 10)).toBe("0%");
  expect(formatShare(10, 10)).toBe("100%");
  expect(formatShare(0, 0)).toBe("0%");
});

it("formats how long ago", () => {
  const now = new Date("2026-01-31T12:00:00Z");
  expect(formatAgo(new Date("2026-01-31T11:59:55Z"), now)).toBe("just now");
  expect(formatAgo(new Date("2026-01-31T11:55:00Z"), now)).toBe("5 minutes ago");
  expect(formatAgo(new Date("2026-01-30T11:00:00Z"), now)).toBe("yesterday");
});

it("formats singular and plural", () => {
  expect(plural(1n, "row")).toBe("1 row");
  expect(plural(2000, "row")).toBe("2,000 rows");
  expect(plural(2, "entry", "entries")).toBe("2 entries");
});
