import { describe, expect, it } from "vitest";
import { FILTERS, filterKind, newStep, RULES, readPairs, TRANSFORMS, writePairs } from "./steps";

describe("newStep", () => {
  it("creates each kind with its required keys", () => {
    expect(newStep(TRANSFORMS, "trim")).toEqual({ column: "", op: "trim" });
    expect(newStep(TRANSFORMS, "parse")).toEqual({ column: "", op: "parse", as: "number" });
    expect(newStep(TRANSFORMS, "concatenate")).toEqual({ op: "concatenate", columns: [], into: "" });
    expect(newStep(FILTERS, "in")).toEqual({ column: "", op: "in", values: [] });
    expect(newStep(FILTERS, "expression")).toEqual({ expression: "" });
    expect(newStep(RULES, "rule")).toEqual({ name: "", expression: "" });
  });

  it("creates filters whose kind is recognised again", () => {
    for (const kind of Object.keys(FILTERS)) expect(filterKind(newStep(FILTERS, kind))).toBe(kind);
  });
});

it("reads pairs back as they were written", () => {
  expect(readPairs("m = male\nf=female\n\nx")).toEqual({ m: "male", f: "female", x: "" });
  expect(readPairs(writePairs({ a: "b = c", d: "" }))).toEqual({ a: "b = c", d: "" });
  expect(writePairs(undefined)).toBe("");
});
