/** Which cell an error is about. */
import type { RowError } from "@/api/contract";

/** The label of the file's column for each field of a pipeline whose name differs from it. */
export function mappingOf(documentJson: string): ReadonlyMap<string, string> {
  try {
    const document: unknown = JSON.parse(documentJson);
    const mapping = (document as { mapping?: unknown } | null)?.mapping;
    if (typeof mapping !== "object" || mapping === null) return new Map();
    return new Map(
      Object.entries(mapping).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
    );
  } catch {
    return new Map();
  }
}

/** Errors by the index of the cell that they are about; errors of whole records are under -1. */
export function errorsByCell(
  errors: readonly RowError[],
  columns: readonly string[],
  mapping: ReadonlyMap<string, string>,
): ReadonlyMap<number, readonly RowError[]> {
  const found = new Map<number, RowError[]>();
  for (const error of errors) {
    for (const index of cellsOf(error.field, columns, mapping)) {
      const known = found.get(index);
      if (known === undefined) found.set(index, [error]);
      else known.push(error);
    }
  }
  return found;
}

/** A field may be mapped from another label or be the label itself; a rule names several fields. */
function cellsOf(field: string, columns: readonly string[], mapping: ReadonlyMap<string, string>): number[] {
  if (field === "") return [-1];
  const whole = columns.indexOf(mapping.get(field) ?? field);
  if (whole >= 0) return [whole];
  const parts = field
    .split(", ")
    .map((part) => columns.indexOf(mapping.get(part) ?? part))
    .filter((index) => index >= 0);
  return parts.length > 0 ? parts : [-1];
}

/** An error in one line: "credit_limit: “12,5” is not a number". */
export function errorText(error: RowError): string {
  const { field, message } = error;
  return field === "" || message.startsWith(`${field}:`) ? message : `${field}: ${message}`;
}
