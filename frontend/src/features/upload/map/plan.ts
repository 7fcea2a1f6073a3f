/** Where the rows of a file are to go, and the pipeline document that says so. Pure. */

import type { InspectedColumn } from "@/api/contract";
import {
  labelOf,
  madeLabels,
  nameFrom,
  type PipelineDocument,
  readDocument,
  withLabels,
  writeDocument,
} from "@/features/pipelines";
import { type Match, matchColumns } from "./matching";

/** "new": a pipeline drafted from the file; "json": rows as JSON objects; else a pipeline's name. */
export type Target = string;
export const NEW: Target = "new";
export const JSON_ROWS: Target = "json";

/** How a field of a pipeline came to its column. */
export interface FieldMatch extends Match {
  /** Chosen by the person. */
  readonly byHand: boolean;
}

/** Columns that no transform makes are the file's; a field that reads a made one needs no column. */
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

/** The pipeline reading its fields from the columns that were matched. A field without one keeps its label. */
export function withMatches(document: PipelineDocument, matches: readonly FieldMatch[]): PipelineDocument {
  const labels = new Map(
    matches.map(({ field, label }): [string, string] => [field, label ?? labelOf(document, field)]),
  );
  const next = withLabels(document, labels);
  return writeDocument(next) === writeDocument(document) ? document : next;
}

/** Whether the file as a whole is fine without a column for each field: its cells are missing then. */
export function mayLackColumns(document: PipelineDocument | null): boolean {
  return ["superset", "partial"].includes(document?.schema.fieldsMatch ?? "");
}

/** Fields that would have no column. */
export function missingFields(matches: readonly FieldMatch[]): readonly string[] {
  return matches.filter(({ label }) => label === null).map(({ field }) => field);
}

/** A draft as the server made it, named after the file. Null when there is none (yet). */
export function draftFrom(pipelineJson: string, fileName: string): PipelineDocument | null {
  if (pipelineJson === "") return null;
  const read = readDocument(pipelineJson);
  if (!read.ok) return null;
  const name = nameFrom(fileName);
  return {
    ...read.document,
    name,
    sink: { ...read.document.sink, table: read.document.sink.table ?? name.replaceAll("-", "_") },
  };
}

/** A draft of a file that is read in another way now, with what the person had decided already. */
export function redraft(fresh: PipelineDocument, before: PipelineDocument): PipelineDocument {
  const { name, title, sink } = before;
  const names = new Set(fresh.schema.fields.map((field) => field.name));
  const key = [sink.key ?? []].flat().filter((field) => names.has(field));
  const primaryKey = [before.schema.primaryKey ?? []].flat().filter((field) => names.has(field));
  return {
    ...fresh,
    name,
    ...(title === undefined ? {} : { title }),
    schema: { ...fresh.schema, ...(primaryKey.length > 0 ? { primaryKey } : {}) },
    sink: { ...sink, ...(key.length > 0 ? { key } : { key: undefined }) },
  };
}
