import { expect, it } from "vitest";
import { parsePointer, Violations } from "./pointers";

it("parses pointers", () => {
  expect(parsePointer("/schema/fields/3/name")).toEqual(["schema", "fields", "3", "name"]);
  expect(parsePointer("/mapping/a~1b~0c")).toEqual(["mapping", "a/b~c"]);
  expect(parsePointer("")).toEqual([]);
});

it("finds the violations at a path and below it", () => {
  const violations = new Violations([
    { field: "/schema/fields/1/tpe", description: 'unknown key "tpe"' },
    { field: "/schema/fields/1", description: "type is missing" },
    { field: "/schema/fields/10/name", description: "too long" },
    { field: "", description: "no sink" },
  ]);
  expect(violations.at("schema", "fields", 1)).toBe("type is missing");
  expect(violations.within("schema", "fields", 1).length).toBe(2);
  expect(violations.textWithin("schema", "fields", 1)).toBe('unknown key "tpe"; type is missing');
  expect(violations.at("schema")).toBeUndefined();
  expect(violations.at()).toBe("no sink");
  expect(violations.count).toBe(4);
});
