/** Which column of a file a field is read from. A field may know its column by several labels. */
import { asList, labelOf, type PipelineDocument, type PipelineField, withKey } from "@/features/pipelines";

interface Matched {
  readonly field: string;
  readonly label: string | null;
}

/** The labels by which a field's column is known beside its own. */
export function otherLabels(field: PipelineField): readonly string[] {
  return asList(field.labels);
}

/** The column that the server would read a field from, as Pipeline.read_as does; null if the file has none. */
export function columnOf(
  document: PipelineDocument,
  field: PipelineField,
  present: ReadonlySet<string>,
): string | null {
  const own = labelOf(document, field.name);
  if (present.has(own)) return own;
  return otherLabels(field).find((label) => present.has(label)) ?? null;
}

/** The document without one of a field's further labels. */
export function withoutLabel(document: PipelineDocument, name: string, label: string): PipelineDocument {
  return withOthers(document, name, (others) => others.filter((other) => other !== label));
}

/**
 * The pipeline with its fields read from the matched columns of a file with the labels `present`. A column of another
 * label is added to those by which the field's column is known, so that other files are read as before. Only where
 * the file has the field's own label too, and the person chose another column, does the field get another label.
 */
export function withMatches(
  document: PipelineDocument,
  matches: readonly Matched[],
  present: ReadonlySet<string>,
): PipelineDocument {
  let next = document;
  const freed: string[] = [];
  for (const { field: name, label } of matches) {
    const field = document.schema.fields.find((other) => other.name === name);
    if (field === undefined || label === null || label === columnOf(document, field, present)) continue;
    const own = labelOf(document, name);
    if (own === label || !present.has(label)) continue;
    const foreign = document.schema.fields.some(
      (other) => other.name !== name && labelOf(document, other.name) === label,
    );
    // A label means one column.
    for (const other of next.schema.fields) next = withoutLabel(next, other.name, label);
    if (present.has(own) || foreign) {
      next = { ...next, mapping: { ...next.mapping, [name]: label } };
      freed.push(own);
      continue;
    }
    next = withOthers(next, name, (others) =>
      others.some((other) => present.has(other)) ? [label, ...others] : [...others, label],
    );
  }
  // A field without a column must not be read from one that another field took.
  const taken = new Set(matches.map(({ label }) => label));
  for (const { field: name, label } of matches) {
    if (label !== null || !taken.has(labelOf(next, name))) continue;
    const free = freed.find((old) => !present.has(old));
    if (free !== undefined) next = { ...next, mapping: { ...next.mapping, [name]: free } };
  }
  return next === document ? document : withoutOwn(next);
}

/** Leaves out of `mapping` what says nothing: a field is read from the column of its own name anyway. */
function withoutOwn(document: PipelineDocument): PipelineDocument {
  const entries = Object.entries(document.mapping ?? {}).filter(([name, label]) => name !== label);
  return withKey(document, "mapping", Object.fromEntries(entries));
}

function withOthers(
  document: PipelineDocument,
  name: string,
  change: (others: readonly string[]) => readonly string[],
): PipelineDocument {
  let changed = false;
  const fields = document.schema.fields.map((field) => {
    if (field.name !== name) return field;
    const before = otherLabels(field);
    const after = change(before);
    if (after.length === before.length && after.every((label, at) => label === before[at])) return field;
    changed = true;
    return withKey(field, "labels", after);
  });
  return changed ? { ...document, schema: { ...document.schema, fields } } : document;
}
