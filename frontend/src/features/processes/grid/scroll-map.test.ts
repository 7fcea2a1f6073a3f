import { describe, expect, it } from "vitest";
import { MOST_PIXELS, placed, scrolled, scrollMap } from "./scroll-map";

describe("a short list", () => {
  const map = scrollMap(1000, 36, 600);

  it("scrolls one to one", () => {
    expect(map.height).toBe(36_000);
    expect(scrolled(map, { top: 0, at: 0 }, 20_000)).toEqual({ top: 20_000, at: 20_000 });
    expect(placed(map, 12_345)).toEqual({ top: 12_345, at: 12_345 });
  });

  it("does not move when everything is visible", () => {
    expect(scrolled(scrollMap(3, 36, 600), { top: 0, at: 0 }, 0).at).toBe(0);
  });
});

describe("a list of ten million rows", () => {
  const map = scrollMap(10_000_000, 36, 600);

  it("is no taller than a browser can lay out", () => {
    expect(map.height).toBe(MOST_PIXELS);
    expect(map.total).toBe(360_000_000);
  });

  it("moves pixel by pixel in small steps, at any position", () => {
    const middle = placed(map, 180_000_000);
    expect(scrolled(map, middle, middle.top + 100).at).toBe(180_000_100);
    expect(scrolled(map, middle, middle.top - 100).at).toBe(179_999_900);
  });

  it("moves in proportion when the scroll bar is dragged", () => {
    const half = (MOST_PIXELS - 600) / 2;
    expect(scrolled(map, { top: 0, at: 0 }, half).at).toBeCloseTo((360_000_000 - 600) / 2);
  });

  it("reaches both ends", () => {
    const middle = placed(map, 180_000_000);
    expect(scrolled(map, middle, MOST_PIXELS - 600).at).toBe(map.total - 600);
    expect(scrolled(map, middle, 0).at).toBe(0);
    expect(placed(map, map.total).top).toBe(MOST_PIXELS - 600);
  });

  it("leaves room to scroll on near either end", () => {
    expect(placed(map, 5).top).toBeGreaterThan(0);
    expect(placed(map, map.total - 605).top).toBeLessThan(MOST_PIXELS - 600);
  });

  it("keeps its position when scrollTop is corrected", () => {
    const before = { top: 300_000, at: 300_000 };
    const right = placed(map, before.at);
    expect(right.at).toBe(before.at);
    expect(right.top).not.toBe(before.top);
  });
});
