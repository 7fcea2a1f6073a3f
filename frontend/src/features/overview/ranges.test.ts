import { expect, it } from "vitest";
import { RANGES, windowOf } from "./ranges";

it.each(RANGES)("%s ends after now, in at most 60 whole buckets", (range) => {
  const now = Date.parse("2026-02-03T10:17:31Z");
  const { start, end, bucketSeconds } = windowOf(range, now);
  expect(end).toBeGreaterThanOrEqual(now);
  expect(end - now).toBeLessThanOrEqual(bucketSeconds * 1000);
  expect((end - start) % (bucketSeconds * 1000)).toBe(0);
  expect((end - start) / (bucketSeconds * 1000)).toBeLessThanOrEqual(60);
});
