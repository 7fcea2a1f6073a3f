/** Values of a file that a field does not take as they are, and what they may mean. */
import type { InspectedColumn } from "@/api/contract";
import {
  asList,
  labelOf,
  madeLabels,
  type PipelineDocument,
  type PipelineField,
  withKey,
} from "@/features/pipelines";
import { likeness, normalise } from "../map/matching";

/** As the server reads a boolean without words of its own. */
const TRUE = ["true", "True", "TRUE", "1", "t"];
const FALSE = ["false", "False", "FALSE", "0", "f"];
const YES = new Set("true t yes y 1 on ja j oui o si s sim wahr vrai vero verdadero да tak ano x".split(" "));
const NO = new Set("false f no n 0 off nein non nao não falsch faux falso нет nie ne".split(" "));
const LANGUAGES = ["en", "de", "fr", "es", "it"];
const LIKE = 0.8;

export interface Unmatched {
  readonly field: string;
  /** Values of the file, frequent ones first. */
  readonly values: readonly string[];
  /** What they may become. */
  readonly options: readonly string[];
}

/** The words that a field takes; null if it takes others, too. */
function optionsOf(field: PipelineField): readonly string[] | null {
  if (field.type === "boolean") return ["true", "false"];
  const listed = field.constraints?.enum ?? field.categories;
  if (field.type !== "string" || !Array.isArray(listed)) return null;
  const words = listed.map((one: unknown) =>
    typeof one === "object" && one !== null && "value" in one ? String(one.value) : String(one),
  );
  return words.length > 0 ? words : null;
}

function taken(document: PipelineDocument, field: PipelineField): ReadonlySet<string> {
  const missing = field.missingValues ?? document.schema.missingValues ?? [""];
  const texts = (Array.isArray(missing) ? missing : []).map((one: unknown) =>
    typeof one === "object" && one !== null && "value" in one ? String(one.value) : String(one),
  );
  const words =
    field.type === "boolean"
      ? [...(field.trueValues ?? TRUE), ...(field.falseValues ?? FALSE)]
      : (optionsOf(field) ?? []);
  return new Set([...words, ...texts, ...Object.keys(mapStep(document, field)?.values ?? {})]);
}

interface MapStep {
  readonly values: Readonly<Record<string, string>>;
}

function mapStep(document: PipelineDocument, field: PipelineField): MapStep | undefined {
  const label = labelOf(document, field.name);
  return (document.transforms ?? []).findLast(
    (step) => step.op === "map" && step.column === label && typeof step.values === "object",
  ) as MapStep | undefined;
}

/** Booleans and enums whose column has values that they do not take. */
export function unmatchedValues(
  document: PipelineDocument,
  columns: readonly InspectedColumn[],
  columnOf: (field: string) => string | null,
): readonly Unmatched[] {
  const made = new Set(madeLabels(document));
  return document.schema.fields.flatMap((field): Unmatched[] => {
    const options = optionsOf(field);
    const column = columns.find(({ label }) => label === columnOf(field.name));
    if (options === null || column === undefined || made.has(labelOf(document, field.name))) return [];
    const known = taken(document, field);
    const values = column.values.filter((value) => !known.has(value));
    return values.length > 0 ? [{ field: field.name, values, options }] : [];
  });
}

/** What a value most likely means; "" where nothing is likely. */
export function suggest(value: string, options: readonly string[]): string {
  const plain = normalise(value);
  if (options.length === 2 && options[0] === "true" && options[1] === "false") {
    return YES.has(plain) ? "true" : NO.has(plain) ? "false" : "";
  }
  const same = options.find((option) => normalise(option) === plain);
  if (same !== undefined) return same;
  const country = options.find((option) => countryNames(option).includes(plain));
  if (country !== undefined) return country;
  const best = options
    .map((option) => ({ option, like: likeness(option, value) }))
    .sort((a, b) => b.like - a.like)[0];
  return best !== undefined && best.like >= LIKE ? best.option : "";
}

/** The names of a country's code in some languages, normalised. */
function countryNames(code: string): readonly string[] {
  if (!/^[A-Z]{2}$/.test(code)) return [];
  return LANGUAGES.map((language) =>
    normalise(new Intl.DisplayNames([language], { type: "region", fallback: "none" }).of(code) ?? ""),
  ).filter((name) => name !== "");
}

/** The document that takes these values of a field as others: a boolean's words, or a step that maps them. */
export function withValues(
  document: PipelineDocument,
  name: string,
  values: ReadonlyMap<string, string>,
): PipelineDocument {
  const field = document.schema.fields.find((other) => other.name === name);
  const chosen = [...values].filter(([, target]) => target !== "");
  if (field === undefined || chosen.length === 0) return document;
  if (field.type === "boolean") {
    const words = (target: string) => chosen.filter(([, to]) => to === target).map(([word]) => word);
    let next = withKey(field, "trueValues", [...(field.trueValues ?? TRUE), ...words("true")]);
    next = withKey(next, "falseValues", [...(field.falseValues ?? FALSE), ...words("false")]);
    const fields = document.schema.fields.map((other) => (other === field ? next : other));
    return { ...document, schema: { ...document.schema, fields } };
  }
  const column = labelOf(document, name);
  const before = mapStep(document, field);
  const steps = document.transforms ?? [];
  const mapped = { ...before?.values, ...Object.fromEntries(chosen) };
  return {
    ...document,
    transforms:
      before === undefined
        ? [...steps, { column, op: "map", values: mapped }]
        : steps.map((step) => ((step as unknown) === before ? { ...step, values: mapped } : step)),
  };
}

/** The field takes only these values, or any again. */
export function withEnum(
  document: PipelineDocument,
  name: string,
  values: readonly string[],
): PipelineDocument {
  const fields = document.schema.fields.map((field) =>
    field.name === name
      ? withKey(field, "constraints", withKey(field.constraints ?? {}, "enum", values))
      : field,
  );
  return { ...document, schema: { ...document.schema, fields } };
}

/** Whether the field takes only some values. */
export function hasEnum(field: PipelineField): boolean {
  return asList(field.constraints?.enum).length > 0;
}
