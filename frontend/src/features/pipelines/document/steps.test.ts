import { describe, expect, it } from "vitest";
import { FILTERS, filterKind, newStep, RULES, readPairs, TRANSFORMS, writePairs } from "./steps";

describe("newStep", () => {
  it("starts each kind with what it needs", () => {
    expect(newStep(TRANSFORMS, "trim")).toEqual({ column: "", op: "trim" });
    expect(newStep(TRANSFORMS, "parse")).toEqual({ column: "", op: "parse", as: "number" });
    expect(newStep(TRANSFORMS, "concatenate")).toEqual({ op: "concatenate", columns: [], into: "" });
    expect(newStep(FILTERS, "in")).toEqual({ column: "", op: "in", values: [] });
    expect(newStep(FILTERS, "expression")).toEqual({ expression: "" });
    expect(newStep(RULES, "rule")).toEqual({ name: "", expression: "" });
  });

  it("makes filters that are told again for what they are", () => {
    for (const kind of Object.keys(FILTERS)) expect(filterKind(newStep(FILTERS, kind))).toBe(kind);
  });
});

it("reads pairs as they are written", () => {
  expect(readPairs("m = male\nf=female\n\nx")).toEqual({ m: "male", f: "female", x: "" });
  expect(readPairs(writePairs({ a: "b = c", d: "" }))).toEqual({ a: "b = c", d: "" });
  expect(writePairs(undefined)).toBe("");
});
