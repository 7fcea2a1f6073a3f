import { expect, it } from "vitest";
import { RateMeter } from "./rate";

it("is unknown at first", () => {
  const meter = new RateMeter();
  expect(meter.perSecond).toBeNull();
  meter.add(0, 0);
  meter.add(100, 1000);
  expect(meter.perSecond).toBeNull();
});

it("uses the last seconds only", () => {
  const meter = new RateMeter(2_000);
  for (let second = 0; second <= 10; second += 1)
    meter.add(second * 1000, second < 5 ? second * 10 : 40 + (second - 4) * 100);
  expect(meter.perSecond).toBe(100);
});

it("ignores what came before a pause", () => {
  const meter = new RateMeter();
  meter.add(0, 0);
  meter.add(1000, 500);
  meter.reset();
  expect(meter.perSecond).toBeNull();
});
