/** Reads, writes and edits pipeline documents; no function modifies its arguments. */
import { parseExact, writeExact } from "./json";
import {
  CONSTRAINTS_OF,
  type FieldType,
  type MissingValue,
  type PipelineDocument,
  type PipelineField,
  TYPES_OF,
} from "./types";

type JsonObject = Record<string, unknown>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

type ReadResult =
  | { readonly ok: true; readonly document: PipelineDocument }
  | { readonly ok: false; readonly message: string };

/**
 * Parses a document as strictly as the forms need: an object with a name, named fields and a sink. The server
 * reports everything else that is wrong.
 */
export function readDocument(text: string): ReadResult {
  let value: unknown;
  try {
    value = parseExact(text);
  } catch (error) {
    return {
      ok: false,
      message: `This is not valid JSON: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  if (!isObject(value)) return { ok: false, message: "A pipeline must be a JSON object." };
  const schema = value.schema;
  if (!isObject(schema) || !Array.isArray(schema.fields)) {
    return { ok: false, message: 'A pipeline must have "schema": {"fields": [...]}.' };
  }
  const fields = schema.fields as unknown[];
  if (!fields.every((field) => isObject(field) && typeof field.name === "string")) {
    return { ok: false, message: 'Each entry of "schema.fields" must be an object with a "name".' };
  }
  for (const list of ["transforms", "filters", "rules"]) {
    const steps = value[list];
    if (steps !== undefined && !(Array.isArray(steps) && steps.every(isObject))) {
      return { ok: false, message: `"${list}" must be a list of objects.` };
    }
  }
  for (const key of ["mapping", "sink", "policy", "dialect"]) {
    if (value[key] !== undefined && !isObject(value[key]))
      return { ok: false, message: `"${key}" must be an object.` };
  }
  const document = {
    ...value,
    name: typeof value.name === "string" ? value.name : "",
    sink: value.sink ?? {},
  };
  return { ok: true, document: document as unknown as PipelineDocument };
}

/** The document as the text that is stored and shown. */
export function writeDocument(document: PipelineDocument): string {
  return writeExact(document);
}

/** Sets a key, or removes it when the value is undefined, "" or an empty list or object. */
export function withKey<T extends object>(object: T, key: string, value: unknown): T {
  const { [key]: _before, ...rest } = object as JsonObject;
  const empty =
    value === undefined ||
    value === "" ||
    (Array.isArray(value) && value.length === 0) ||
    (isObject(value) && Object.getPrototypeOf(value) === Object.prototype && Object.keys(value).length === 0);
  if (empty) return rest as T;
  // An existing key keeps its place.
  if (key in object) return { ...object, [key]: value };
  return { ...rest, [key]: value } as T;
}

export function withFields(document: PipelineDocument, fields: readonly PipelineField[]): PipelineDocument {
  return { ...document, schema: { ...document.schema, fields } };
}

/** Changes one field; its mapping, the primary key and the sink's key follow a new name. */
export function withField(document: PipelineDocument, index: number, field: PipelineField): PipelineDocument {
  const before = document.schema.fields[index];
  const changed = withFields(
    document,
    document.schema.fields.map((other, at) => (at === index ? field : other)),
  );
  return before === undefined || before.name === field.name
    ? changed
    : renamed(changed, before.name, field.name);
}

function renamed(document: PipelineDocument, before: string, after: string): PipelineDocument {
  const rename = (key: unknown): unknown => {
    if (Array.isArray(key)) return key.map((name) => (name === before ? after : name));
    return key === before ? after : key;
  };
  const mapping = Object.entries(document.mapping ?? {}).map(([name, label]) => [
    name === before ? after : name,
    label,
  ]);
  // Without a mapping a field is read from the column of its own name; keep it that way.
  const label = document.mapping?.[before] ?? before;
  const entries = new Map<string, string>(mapping as [string, string][]);
  if (label === after) entries.delete(after);
  else entries.set(after, label);
  let next = withKey(document, "mapping", Object.fromEntries(entries));
  next = { ...next, schema: withKey(next.schema, "primaryKey", rename(next.schema.primaryKey)) };
  return { ...next, sink: withKey(next.sink, "key", rename(next.sink.key)) };
}

/** Removes a field and every reference to it. */
export function withoutField(document: PipelineDocument, index: number): PipelineDocument {
  const gone = document.schema.fields[index]?.name;
  const drop = (key: unknown): unknown => {
    if (Array.isArray(key)) return key.filter((name) => name !== gone);
    return key === gone ? undefined : key;
  };
  const { [gone ?? ""]: _label, ...mapping } = document.mapping ?? {};
  const fewer = withFields(
    document,
    document.schema.fields.filter((_, at) => at !== index),
  );
  const next = withTrims(withKey(fewer, "mapping", mapping), document);
  return {
    ...next,
    schema: withKey(next.schema, "primaryKey", drop(next.schema.primaryKey)),
    sink: withKey(next.sink, "key", drop(next.sink.key)),
  };
}

/** Adds a field to the primary key, or removes it. */
export function withKeyField(document: PipelineDocument, field: string): PipelineDocument {
  const key = asList(document.schema.primaryKey);
  const next = key.includes(field) ? key.filter((name) => name !== field) : [...key, field];
  return { ...document, schema: withKey(document.schema, "primaryKey", next) };
}

/** The label of the column that a field is read from. */
export function labelOf(document: PipelineDocument, field: string): string {
  return document.mapping?.[field] ?? field;
}

/** Reads each field from the given label; fields without one are read from the column of their own name. */
export function withLabels(
  document: PipelineDocument,
  labels: ReadonlyMap<string, string>,
): PipelineDocument {
  const mapping: Record<string, string> = {};
  for (const { name } of document.schema.fields) {
    const label = labels.get(name) ?? name;
    if (label !== name) mapping[name] = label;
  }
  return withTrims(withKey(document, "mapping", mapping), document);
}

/**
 * Trims columns that fields are read from now, where their fields' columns were trimmed before: a column that no
 * field is read from any more need not be in the file.
 */
function withTrims(next: PipelineDocument, before: PipelineDocument): PipelineDocument {
  const gone = new Map<unknown, string | null>();
  for (const { name } of before.schema.fields) {
    const kept = next.schema.fields.some((field) => field.name === name);
    gone.set(labelOf(before, name), kept ? labelOf(next, name) : null);
  }
  for (const { name } of next.schema.fields) gone.delete(labelOf(next, name));
  const steps = (next.transforms ?? []).flatMap((step) => {
    const label = step.op === "trim" ? gone.get(step.column) : undefined;
    if (label === undefined) return [step];
    return label === null ? [] : [{ ...step, column: label }];
  });
  return withKey(next, "transforms", steps);
}

/** Trims a column, first of all. */
export function withTrim(document: PipelineDocument, label: string): PipelineDocument {
  const steps = document.transforms ?? [];
  if (steps.some(({ op, column }) => op === "trim" && column === label)) return document;
  return { ...document, transforms: [{ column: label, op: "trim" }, ...steps] };
}

/** Labels of the columns that transforms make. */
export function madeLabels(document: PipelineDocument): readonly string[] {
  return (document.transforms ?? []).flatMap(({ into }) =>
    Array.isArray(into) ? into.map(String) : typeof into === "string" ? [into] : [],
  );
}

/** A list of names, which the document may also write as a single name. */
export function asList(key: unknown): readonly string[] {
  if (Array.isArray(key)) return key.map(String);
  return typeof key === "string" ? [key] : [];
}

/** Reformats a document as the editor writes it, so that only real changes show as changes. */
export function pretty(text: string): string {
  const read = readDocument(text);
  return read.ok ? writeDocument(read.document) : text;
}

/** Changes the type and removes constraints, words and separators that do not fit it. */
export function withType(field: PipelineField, type: string): PipelineField {
  const allowed: readonly string[] = CONSTRAINTS_OF[type as FieldType] ?? [];
  const constraints = Object.fromEntries(
    Object.entries(field.constraints ?? {}).filter(([name]) => allowed.includes(name)),
  );
  const kept = Object.fromEntries(
    Object.entries(field).filter(([key]) => (TYPES_OF[key] ?? [type]).includes(type as FieldType)),
  );
  const next = withKey({ ...kept, name: field.name, type }, "constraints", constraints);
  return withKey(next, "format", undefined);
}

/** The values that mean “missing”, without labels. */
export function missingTexts(values: readonly MissingValue[] | undefined): readonly string[] {
  return (values ?? []).map((missing) => (typeof missing === "string" ? missing : missing.value));
}

/** Missing values with these texts; existing ones keep their labels. */
export function withMissingTexts(
  values: readonly MissingValue[] | undefined,
  texts: readonly string[],
): readonly MissingValue[] {
  return texts.map((text) => values?.find((missing) => missingTexts([missing])[0] === text) ?? text);
}
