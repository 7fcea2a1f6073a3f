/** Columns of a file that a pipeline would not load. */
import { asList, labelOf, madeLabels, type PipelineDocument } from "@/features/pipelines";

/** Labels of the file's columns that no field and no step of the pipeline reads, in the file's order. */
export function unreadColumns(
  document: PipelineDocument,
  labels: readonly string[],
  matches: readonly { readonly label: string | null }[],
): readonly string[] {
  // The table gets these columns, too.
  if (document.sink.schemaDrift === "evolve") return [];
  const read = new Set(matches.map(({ label }) => label));
  const texts: string[] = [];
  for (const step of [...(document.transforms ?? []), ...(document.filters ?? [])]) {
    for (const key of ["column", "columns"]) for (const label of asList(step[key])) read.add(label);
    for (const key of ["sql", "expression"]) if (typeof step[key] === "string") texts.push(step[key]);
  }
  return labels.filter((label) => !read.has(label) && !texts.some((text) => names(text, label)));
}

/** Whether an SQL expression names a column. */
function names(sql: string, label: string): boolean {
  if (sql.includes(`"${label.replaceAll('"', '""')}"`)) return true;
  return /^\w+$/.test(label) && new RegExp(`\\b${label}\\b`, "i").test(sql);
}

/** Fields whose rows all fail without a column: required ones and those of the key. */
export function neededFields(document: PipelineDocument): ReadonlySet<string> {
  const key = [...asList(document.schema.primaryKey), ...asList(document.sink.key)];
  const required = document.schema.fields.filter(({ constraints }) => constraints?.required === true);
  return new Set([...key, ...required.map(({ name }) => name)]);
}

/** Whether the steps read a column that the file does not have, though no field says so. */
export function stepsLackColumns(document: PipelineDocument, labels: readonly string[]): boolean {
  const known = new Set([
    ...labels,
    ...madeLabels(document),
    ...document.schema.fields.map(({ name }) => labelOf(document, name)),
  ]);
  return [...(document.transforms ?? []), ...(document.filters ?? [])].some((step) =>
    [...asList(step.column), ...asList(step.columns)].some((label) => !known.has(label)),
  );
}

/** "a, b, c and 4 others". */
export function listed(names: readonly string[], most = 12): string {
  if (names.length <= most) return names.join(", ");
  return `${names.slice(0, most).join(", ")} and ${names.length - most} others`;
}
