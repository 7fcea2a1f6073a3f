import { describe, expect, it } from "vitest";
import type { PipelineDocument } from "@/features/pipelines";
import { columnOf, withMatches, withoutLabel } from "./labels";

const DOCUMENT: PipelineDocument = {
  name: "customers",
  schema: {
    fields: [
      { name: "id", type: "integer", labels: ["Kd-Nr"] },
      { name: "name", type: "string" },
      { name: "city", type: "string" },
    ],
  },
  mapping: { id: "Customer No." },
  sink: { table: "customers" },
};
const [ID] = DOCUMENT.schema.fields;
const match = (id: string | null, name: string | null = "name", city: string | null = "city") => [
  { field: "id", label: id },
  { field: "name", label: name },
  { field: "city", label: city },
];
const set = (...labels: string[]) => new Set(labels);

it("finds a column by its own label first, then by the others", () => {
  if (ID === undefined) throw new Error("a field");
  expect(columnOf(DOCUMENT, ID, set("Kd-Nr", "Customer No."))).toBe("Customer No.");
  expect(columnOf(DOCUMENT, ID, set("Kd-Nr"))).toBe("Kd-Nr");
  expect(columnOf(DOCUMENT, ID, set("id"))).toBeNull();
});

describe("what a person matched", () => {
  it("changes nothing where the server would read the same", () => {
    expect(withMatches(DOCUMENT, match("Kd-Nr"), set("Kd-Nr", "name", "city"))).toBe(DOCUMENT);
    expect(withMatches(DOCUMENT, match(null), set("name", "city"))).toBe(DOCUMENT);
  });

  it("is added to the field's labels, and its own label stays", () => {
    const next = withMatches(DOCUMENT, match("Kunde", "Name"), set("Kunde", "Name", "city"));
    expect(next.mapping).toEqual({ id: "Customer No." });
    expect(next.schema.fields.map(({ labels }) => labels)).toEqual([["Kd-Nr", "Kunde"], ["Name"], undefined]);
  });

  it("comes first where the file has another known label too", () => {
    const next = withMatches(DOCUMENT, match("Kunde"), set("Kunde", "Kd-Nr", "name", "city"));
    expect(next.schema.fields[0]?.labels).toEqual(["Kunde", "Kd-Nr"]);
  });

  it("replaces the label where the file has the field's own one", () => {
    const next = withMatches(DOCUMENT, match("Kunde"), set("Kunde", "Customer No.", "name", "city"));
    expect(next.mapping).toEqual({ id: "Kunde" });
    expect(next.schema).toEqual(DOCUMENT.schema);
  });

  it("may swap two columns, or take a column from a field that goes without", () => {
    const swapped = withMatches(DOCUMENT, match("Kd-Nr", "city", "name"), set("Kd-Nr", "name", "city"));
    expect(swapped.mapping).toEqual({ id: "Customer No.", name: "city", city: "name" });
    const taken = withMatches(DOCUMENT, match("Kd-Nr", "city", null), set("Kd-Nr", "city"));
    expect(taken.mapping).toEqual({ id: "Customer No.", name: "city", city: "name" });
  });

  it("is a label of one field only", () => {
    const next = withMatches(DOCUMENT, match(null, "Kd-Nr"), set("Kd-Nr", "city"));
    expect(next.schema.fields.map(({ labels }) => labels)).toEqual([undefined, ["Kd-Nr"], undefined]);
  });
});

it("forgets a label", () => {
  expect(withoutLabel(DOCUMENT, "id", "Kd-Nr").schema.fields[0]).toEqual({ name: "id", type: "integer" });
  expect(withoutLabel(DOCUMENT, "id", "x")).toBe(DOCUMENT);
});
