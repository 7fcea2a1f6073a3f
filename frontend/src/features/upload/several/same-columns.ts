/** Files with the same columns. */

export interface ColumnsOf {
  readonly key: string;
  /** The names of its columns; undefined while they are read. */
  readonly columns: readonly string[] | undefined;
}

/** Equal for files with the same columns, in whatever order. */
export function signature(columns: readonly string[]): string {
  return JSON.stringify([...columns].sort());
}

/** The keys of files with the same columns: groups of two or more, in the order of the files. */
export function groups(files: readonly ColumnsOf[]): readonly (readonly string[])[] {
  const found = new Map<string, string[]>();
  for (const { key, columns } of files) {
    if (columns === undefined || columns.length === 0) continue;
    const name = signature(columns);
    found.set(name, [...(found.get(name) ?? []), key]);
  }
  return [...found.values()].filter((keys) => keys.length > 1);
}
