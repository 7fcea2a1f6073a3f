/** What a person says of a file's header, as options of its dialect. */
import type { InspectedLine } from "@/api/contract";
import type { Dialect } from "./dialect";

/** The options that say where the table begins. */
const OF_HEADER = ["skipLines", "header", "headerRows", "columns"] as const;

/** The dialect without anything about the header: the server finds it. */
export function withHeaderFound(dialect: Dialect): Dialect {
  return Object.fromEntries(
    Object.entries(dialect).filter(([key]) => !(OF_HEADER as readonly string[]).includes(key)),
  );
}

/** That line is the header, and what stands above it is not read. */
export function withHeaderAt(dialect: Dialect, line: bigint): Dialect {
  return { ...withHeaderFound(dialect), skipLines: Number(line) - 1, header: true, headerRows: 1 };
}

/** The file has no header; the table begins at the first line that is taken for the header or a row. */
export function withoutHeader(dialect: Dialect, firstLine: bigint): Dialect {
  const found = withHeaderFound(dialect);
  return firstLine > 1n
    ? { ...found, skipLines: Number(firstLine) - 1, header: false }
    : { ...found, header: false };
}

export function saysHeader(dialect: Dialect): boolean {
  return OF_HEADER.some((key) => key in dialect);
}

/** The number of cells of the widest line, as far as they are sent. */
export function widthOf(lines: readonly InspectedLine[]): number {
  return lines.reduce((most, { cells }) => Math.max(most, cells.length), 0);
}
