/** Where the rows of a file go, and the pipeline document for it. */

import type { InspectedColumn, Notice } from "@/api/contract";
import {
  labelOf,
  madeLabels,
  type PipelineDocument,
  type PipelineField,
  readDocument,
  withFields,
  withKey,
  withLabels,
} from "@/features/pipelines";
import { type Match, matchColumns } from "./matching";

/** "new": a pipeline drafted from the file; "json": rows as JSON objects; "": not chosen yet; else a pipeline's name. */
export type Target = string;
export const NEW: Target = "new";
export const JSON_ROWS: Target = "json";
export const NONE: Target = "";

/** How a field of a pipeline got its column. */
export interface FieldMatch extends Match {
  /** Chosen by the person. */
  readonly byHand: boolean;
}

/** Columns that no transform makes come from the file; a field that reads a made one needs no file column. */
export function matchPipeline(
  document: PipelineDocument,
  columns: readonly InspectedColumn[],
  byHand: ReadonlyMap<string, string>,
): readonly FieldMatch[] {
  const made = new Set(madeLabels(document));
  const present = new Set(columns.map(({ label }) => label));
  const used = new Set(byHand.values());
  const open = document.schema.fields.filter(
    ({ name }) => !byHand.has(name) && !made.has(labelOf(document, name)),
  );
  const suggested = new Map(
    matchColumns(
      columns.filter(({ label }) => !used.has(label)),
      open.map((field) => ({ ...field, label: labelOf(document, field.name) })),
    ).map((match) => [match.field, match]),
  );
  return document.schema.fields.map(({ name }): FieldMatch => {
    const chosen = byHand.get(name);
    if (chosen !== undefined) {
      return { field: name, label: present.has(chosen) ? chosen : null, confidence: 1, byHand: true };
    }
    const label = labelOf(document, name);
    if (made.has(label)) return { field: name, label, confidence: 1, byHand: false };
    return { ...(suggested.get(name) ?? { field: name, label: null, confidence: 0 }), byHand: false };
  });
}

/** Whether the file may lack columns for some fields: their cells are then missing. */
export function mayLackColumns(document: PipelineDocument | null): boolean {
  return ["superset", "partial"].includes(document?.schema.fieldsMatch ?? "");
}

/** The server's draft. Null while there is none. */
export function draftFrom(pipelineJson: string): PipelineDocument | null {
  if (pipelineJson === "") return null;
  const read = readDocument(pipelineJson);
  return read.ok ? read.document : null;
}

/** What a person should know of the file: the dry run of a draft says nothing of how it was drafted. */
export function noticesOf(
  target: Target | undefined,
  inspected: readonly Notice[] = [],
  dryRun: readonly Notice[] | undefined = undefined,
): readonly Notice[] {
  if (dryRun === undefined) return inspected;
  if (target !== NEW) return dryRun;
  const known = new Set(dryRun.map(({ code, message }) => `${code} ${message}`));
  return [...inspected.filter(({ code, message }) => !known.has(`${code} ${message}`)), ...dryRun];
}

/** Keys of a field that mean nothing for another type. */
const KEYS_OF_TYPES = new Set([
  "type",
  "format",
  "trueValues",
  "falseValues",
  "decimalChar",
  "groupChar",
  "bareNumber",
  "accounting",
  "locale",
  "timezone",
  "delimiter",
  "itemType",
]);

/** Type and settings of a field, without its name and what holds for every type. */
export type TypeKeys = Readonly<Record<string, unknown>> & { readonly type: string };

/** The types that a column could have just as well: where the draft leaves the choice to the person. */
export function candidatesOf(field: PipelineField): readonly TypeKeys[] {
  const found = field["x-candidates"];
  return Array.isArray(found) ? (found as TypeKeys[]) : [];
}

/** The candidate in words: "date %d/%m/%Y". */
export function describeCandidate({ type, format, ...others }: TypeKeys): string {
  const settings = Object.entries(others).map(([key, value]) => `${key} ${value}`);
  return [type, format, ...settings].filter((part) => part !== undefined).join(" ");
}

/** Labels of the columns whose type the draft leaves to the person, who has not chosen one. */
export function undecided(document: PipelineDocument | null): readonly string[] {
  if (document === null) return [];
  return document.schema.fields
    .filter((field) => candidatesOf(field).length > 0)
    .map(({ name }) => labelOf(document, name));
}

/** The field with another type and its settings, which is a choice among its candidates. */
export function retyped(field: PipelineField, keys: TypeKeys): PipelineField {
  const kept = Object.entries(field).filter(([key]) => !KEYS_OF_TYPES.has(key) && key !== "x-candidates");
  return { ...Object.fromEntries(kept), name: field.name, ...keys };
}

/** Type and settings of a field. */
export function typeKeys(field: PipelineField): TypeKeys {
  const own = Object.entries(field).filter(([key]) => KEYS_OF_TYPES.has(key));
  return { ...Object.fromEntries(own), type: field.type };
}

/**
 * A new draft with the person's earlier decisions: `before` is what they made of `drafted`. Fields that they changed
 * stay as they are, those that they left out stay out; all others are drafted anew.
 */
export function redraft(
  drafted: PipelineDocument,
  before: PipelineDocument,
  anew: PipelineDocument,
): PipelineDocument {
  const { title, sink } = before;
  const name = before.name === drafted.name ? anew.name : before.name;
  const decided = (label: string): PipelineField | null | undefined => {
    const was = fieldOf(drafted, label);
    const is = fieldOf(before, label);
    if (is === undefined) return was === undefined ? undefined : null;
    return was !== undefined && JSON.stringify(was) === JSON.stringify(is) ? undefined : is;
  };
  const labels = new Map<string, string>();
  const fields = anew.schema.fields.flatMap((field) => {
    const label = labelOf(anew, field.name);
    const kept = decided(label);
    if (kept === null) return [];
    labels.set((kept ?? field).name, label);
    return [kept ?? field];
  });
  const steps = new Set((drafted.transforms ?? []).map((step) => JSON.stringify(step)));
  const added = (before.transforms ?? []).filter((step) => !steps.has(JSON.stringify(step)));
  const fresh = withKey(withLabels(withFields(anew, fields), labels), "transforms", [
    ...(anew.transforms ?? []),
    ...added,
  ]);
  const names = new Set(fields.map((field) => field.name));
  const key = [sink.key ?? []].flat().filter((field) => names.has(field));
  const primaryKey = [before.schema.primaryKey ?? []].flat().filter((field) => names.has(field));
  return {
    ...fresh,
    name,
    ...(title === undefined ? {} : { title }),
    schema: { ...fresh.schema, ...(primaryKey.length > 0 ? { primaryKey } : {}) },
    sink: {
      ...sink,
      table: sink.table === drafted.sink.table ? anew.sink.table : sink.table,
      ...(key.length > 0 ? { key } : { key: undefined }),
    },
  };
}

function fieldOf(document: PipelineDocument, label: string): PipelineField | undefined {
  return document.schema.fields.find(({ name }) => labelOf(document, name) === label);
}
