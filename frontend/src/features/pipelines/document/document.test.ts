import { describe, expect, it } from "vitest";
import { diffLines } from "./compare";
import {
  labelOf,
  madeLabels,
  missingTexts,
  readDocument,
  withField,
  withKey,
  withLabels,
  withMissingTexts,
  withoutField,
  withTrim,
  withType,
  writeDocument,
} from "./document";
import type { PipelineDocument } from "./types";

const DOCUMENT: PipelineDocument = {
  name: "people",
  schema: {
    fields: [
      { name: "id", type: "integer" },
      { name: "name", type: "string" },
    ],
    primaryKey: ["id", "name"],
  },
  mapping: { name: "Full name" },
  sink: { table: "people", mode: "upsert", key: "id" },
};

describe("readDocument and writeDocument", () => {
  it.skipIf(!("rawJSON" in JSON))("keep numbers that a double cannot hold", () => {
    const text =
      '{"name": "n", "schema": {"fields": [{"name": "a", "type": "number", "constraints": {"minimum": 0.10000000000000000001, "maximum": 9007199254740993}}]}, "sink": {}}';
    const read = readDocument(text);
    if (!read.ok) throw new Error(read.message);
    expect(writeDocument(read.document)).toContain('"minimum": 0.10000000000000000001');
    expect(writeDocument(read.document)).toContain('"maximum": 9007199254740993');
  });

  it("keep unknown keys", () => {
    const read = readDocument(
      '{"x-owner": "me", "name": "n", "schema": {"fields": []}, "sink": {"table": "t"}}',
    );
    if (!read.ok) throw new Error(read.message);
    expect(JSON.parse(writeDocument(read.document))["x-owner"]).toBe("me");
  });

  it.each([
    ["{", "This is not valid JSON"],
    ["[]", "A pipeline must be a JSON object."],
    ["{}", '"schema"'],
    ['{"schema": {"fields": [1]}}', '"name"'],
    ['{"schema": {"fields": []}, "rules": {}}', '"rules" must be a list'],
    ['{"schema": {"fields": []}, "sink": "t"}', '"sink" must be an object'],
  ])("refuse %s", (text, message) => {
    const read = readDocument(text);
    expect(read.ok ? "" : read.message).toContain(message);
  });
});

describe("changing a document", () => {
  it("renames a field everywhere", () => {
    const changed = withField(DOCUMENT, 0, { name: "number", type: "integer" });
    expect(changed.schema.primaryKey).toEqual(["number", "name"]);
    expect(changed.sink.key).toBe("number");
    expect(labelOf(changed, "number")).toBe("id");
    expect(labelOf(changed, "name")).toBe("Full name");
  });

  it("drops the mapping when the new name is the label", () => {
    const changed = withField(DOCUMENT, 1, { name: "Full name", type: "string" });
    expect(changed.mapping).toBeUndefined();
  });

  it("removes a field and every reference to it", () => {
    const changed = withoutField(DOCUMENT, 0);
    expect(changed.schema.fields.map(({ name }) => name)).toEqual(["name"]);
    expect(changed.schema.primaryKey).toEqual(["name"]);
    expect("key" in changed.sink).toBe(false);
  });

  it("writes only labels that differ from the name", () => {
    const changed = withLabels(
      DOCUMENT,
      new Map([
        ["id", "No."],
        ["name", "name"],
      ]),
    );
    expect(changed.mapping).toEqual({ id: "No." });
  });

  it("trims the columns that are read, and no others", () => {
    const trims = [
      { column: "id", op: "trim" },
      { column: "Full name", op: "trim" },
    ];
    const trimmed = { ...DOCUMENT, transforms: trims };
    expect(withoutField(trimmed, 0).transforms).toEqual([trims[1]]);
    expect(withoutField(withoutField(trimmed, 0), 0).transforms).toBeUndefined();
    const renamed = withLabels(
      trimmed,
      new Map([
        ["id", "No."],
        ["name", "Full name"],
      ]),
    );
    expect(renamed.transforms).toEqual([{ column: "No.", op: "trim" }, trims[1]]);
    expect(withTrim(withTrim(withoutField(trimmed, 0), "id"), "id").transforms).toEqual(trims);
  });

  it("leaves out empty values", () => {
    expect(withKey({ a: 1, b: 2 }, "a", "")).toEqual({ b: 2 });
    expect(withKey({ a: 1 }, "b", [])).toEqual({ a: 1 });
    expect(withKey({ a: 1 }, "b", false)).toEqual({ a: 1, b: false });
    expect(Object.keys(withKey({ a: 1, b: 2 }, "a", 3))).toEqual(["a", "b"]);
  });
});

it("lists the columns that transforms make", () => {
  const document = {
    ...DOCUMENT,
    transforms: [{ op: "split", into: ["a", "b"] }, { op: "expression", into: "c" }, { op: "trim" }],
  };
  expect(madeLabels(document)).toEqual(["a", "b", "c"]);
});

describe("diffLines", () => {
  it("keeps equal lines", () => {
    expect(diffLines("a\nb\nc\nd", "a\nx\nc\nd\ne").map(({ kind, text }) => `${kind[0]} ${text}`)).toEqual([
      "s a",
      "r b",
      "a x",
      "s c",
      "s d",
      "a e",
    ]);
  });

  it("marks nothing in equal texts", () => {
    expect(diffLines("a\nb", "a\nb").every(({ kind }) => kind === "same")).toBe(true);
  });

  it("contains both texts", () => {
    const before = "1\n2\n3\n2\n1";
    const after = "2\n1\n3\n3\n1";
    const lines = diffLines(before, after);
    const text = (skip: string) =>
      lines
        .filter(({ kind }) => kind !== skip)
        .map((line) => line.text)
        .join("\n");
    expect(text("added")).toBe(before);
    expect(text("removed")).toBe(after);
  });
});

describe("changing a field's type", () => {
  it("removes what does not fit the type, and nothing else", () => {
    const field = {
      name: "f",
      type: "number",
      title: "F",
      format: "default",
      bareNumber: false,
      decimalChar: ",",
      groupChar: ".",
      "x-mine": 1,
      constraints: { required: true, minimum: 1 },
    };
    expect(withType(field, "integer")).toEqual({
      name: "f",
      type: "integer",
      title: "F",
      bareNumber: false,
      groupChar: ".",
      "x-mine": 1,
      constraints: { required: true, minimum: 1 },
    });
    expect(withType(field, "list")).toEqual({
      name: "f",
      type: "list",
      title: "F",
      "x-mine": 1,
      constraints: { required: true },
    });
    const json = { name: "f", type: "array", constraints: { jsonSchema: {}, minLength: 1 } };
    expect(withType(json, "object")).toEqual({ ...json, type: "object" });
    expect(withType(json, "list")).toEqual({ name: "f", type: "list", constraints: { minLength: 1 } });
  });
});

describe("missing values", () => {
  it("keep their labels while others change", () => {
    const values = ["", { value: "-99", label: "refused" }];
    expect(missingTexts(values)).toEqual(["", "-99"]);
    expect(missingTexts(undefined)).toEqual([]);
    expect(withMissingTexts(values, ["-99", "n/a"])).toEqual([{ value: "-99", label: "refused" }, "n/a"]);
  });
});
