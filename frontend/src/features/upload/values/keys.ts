/** What a file's columns offer by themselves: keys, and fields with a few values. */
import type { InspectedColumn } from "@/api/contract";
import { asList, labelOf, madeLabels, type PipelineDocument } from "@/features/pipelines";

/** Types whose values name something. */
const NAMING = new Set(["integer", "string"]);
const LIKE_A_KEY =
  /(^|[^\p{L}])(id|no|nr|num|number|nummer|key|code|uuid|guid|sku|ean|isbn|email)([^\p{L}]|$)/iu;
const MOST_KEYS = 3;
const MOST_VALUES = 12;

/** Labels of columns without a gap and without a duplicate, those that look like a key first. */
export function keyCandidates(columns: readonly InspectedColumn[], rows: bigint): readonly string[] {
  // One row has no duplicates whatever it holds.
  if (rows < 2n) return [];
  const found = columns.filter(({ unique, type }) => unique && NAMING.has(type)).map(({ label }) => label);
  const named = found.filter((label) => LIKE_A_KEY.test(spaced(label)));
  return [...named, ...found.filter((label) => !named.includes(label))].slice(0, MOST_KEYS);
}

function spaced(label: string): string {
  return label.replace(/(?<=\p{Ll})(?=\p{Lu})/gu, " ").replaceAll("_", " ");
}

/** The fields by which rows are told apart: an upsert's key, or else the primary key. */
export function keyOf(document: PipelineDocument): readonly string[] {
  const own = asList(document.sink.key);
  return document.sink.mode === "upsert" && own.length > 0 ? own : asList(document.schema.primaryKey);
}

/** The columns of the file that make the key; empty if there is no key, or one that is not in the file as it is. */
export function keyColumns(
  document: PipelineDocument,
  columnOf: (field: string) => string | null,
): readonly string[] {
  const made = new Set(madeLabels(document));
  const labels = keyOf(document).map((field) =>
    made.has(labelOf(document, field)) ? null : columnOf(field),
  );
  return labels.every((label) => label !== null) ? labels : [];
}

/** The values of a column that has a few, which repeat; empty for any other. */
export function fewValues(column: InspectedColumn, rows: bigint): readonly string[] {
  const { values } = column;
  const present = Number(rows - column.missing);
  return values.length >= 2 && values.length <= MOST_VALUES && values.length * 2 <= present ? values : [];
}
