import { describe, expect, it } from "vitest";
import { formatAmount, quotaLook, readAmount, writeAmount } from "./quotas";

describe("readAmount", () => {
  it.each([
    ["bytes_stored", "10 GiB", 10n * 1024n ** 3n],
    ["bytes_stored", "1.5 KiB", 1536n],
    ["bytes_per_day", "2 mb", 2_000_000n],
    ["bytes_per_day", "42", 42n],
    ["rows_per_day", "1,000,000", 1_000_000n],
    ["rows_per_day", "0", 0n],
    ["rows_per_day", " ", undefined],
    ["rows_per_day", "10 GiB", null],
    ["rows_per_day", "1.5", null],
    ["bytes_stored", "-1", null],
    ["bytes_stored", "much", null],
    ["bytes_stored", "99999999 TiB", null],
  ])("%s: %j is %s", (name, text, amount) => {
    expect(readAmount(name, text)).toBe(amount);
  });

  it("reads what writeAmount writes", () => {
    for (const amount of [0n, 1n, 1023n, 1024n, 10n * 1024n ** 3n, 5_000_000_000n, undefined]) {
      expect(readAmount("bytes_stored", writeAmount("bytes_stored", amount))).toBe(amount);
      expect(readAmount("pipelines", writeAmount("pipelines", amount))).toBe(amount);
    }
  });
});

it("writes amounts in the unit of their quota", () => {
  expect(formatAmount("bytes_stored", 1536n)).toBe("1.5 KiB");
  expect(formatAmount("rows_per_day", 1536n)).toBe("1,536");
});

it("shows a quota of a newer suite by its name", () => {
  expect(quotaLook("open_doors").label).toBe("open doors");
});
