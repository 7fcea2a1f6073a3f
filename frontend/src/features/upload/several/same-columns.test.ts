import { expect, it } from "vitest";
import { groups, signature } from "./same-columns";

it("groups files with the same columns", () => {
  const files = [
    { key: "1", columns: ["id", "name"] },
    { key: "2", columns: ["a"] },
    { key: "3", columns: ["name", "id"] },
    { key: "4", columns: undefined },
    { key: "5", columns: [] },
    { key: "6", columns: [] },
  ];
  expect(groups(files)).toEqual([["1", "3"]]);
});

it("tells columns apart whatever is in their names", () => {
  expect(signature(["a", "b"])).toBe(signature(["b", "a"]));
  expect(signature(["a,b"])).not.toBe(signature(["a", "b"]));
});
