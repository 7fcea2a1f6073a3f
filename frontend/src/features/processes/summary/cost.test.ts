import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { ProcessCostSchema } from "@/api/contract";
import { costWords } from "./cost";

it.each([
  [0.000424, 0.353, "about $0.00042, $0.35 per million rows"],
  [12.5, 0.098, "about $12.50, $0.098 per million rows"],
  [0, 0, "about $0.00, $0.00 per million rows"],
])("says %d and %d", (dollars, dollarsPerMillionRows, words) => {
  expect(costWords(create(ProcessCostSchema, { dollars, dollarsPerMillionRows }))).toBe(words);
});
