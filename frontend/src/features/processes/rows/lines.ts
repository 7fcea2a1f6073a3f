/** Finds the row on a line of the file. */
import type { Batch } from "@/api/contract";
import { toNumber } from "@/lib/proto";

interface RowOfLine {
  readonly rowNumber: number;
  /** False when records with several lines make it an estimate. */
  readonly exact: boolean;
}

interface Anchor {
  readonly row: number;
  readonly line: number;
}

/** The last batch that starts on or before the line, and the next one. */
function around(batches: readonly Batch[], line: number): [Batch | undefined, Batch | undefined] {
  let low = 0;
  let high = batches.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (toNumber(batches[middle]?.range?.firstLine) <= line) low = middle + 1;
    else high = middle;
  }
  return [batches[low - 1], batches[low]];
}

/**
 * The row on a line. The server knows the lines at which batches start and the lines of rejected rows.
 * Between two of these with as many lines as rows, every record has one line and the row is certain.
 *
 * `rejected` returns the rejected rows of a range of row numbers. Null when no row can be on the line.
 */
export async function rowOfLine(
  line: number,
  batches: readonly Batch[],
  rejected: (firstRow: number, lastRow: number) => Promise<readonly Anchor[]>,
): Promise<RowOfLine | null> {
  const [batch, next] = around(batches, line);
  if (batch?.range === undefined) return null;
  const firstRow = toNumber(batch.range.firstRow);
  const lastRow = firstRow + toNumber(batch.range.rowCount) - 1;
  const start: Anchor = { row: firstRow, line: toNumber(batch.range.firstLine) };
  const end: Anchor | null =
    next?.range === undefined ? null : { row: lastRow + 1, line: toNumber(next.range.firstLine) };
  let before = start;
  let after = end;
  if (!oneLineEach(start, end)) {
    for (const anchor of await rejected(firstRow, lastRow)) {
      if (anchor.line === 0) continue;
      if (anchor.line <= line) before = anchor;
      else {
        after = anchor;
        break;
      }
    }
  }
  const guess = Math.min(before.row + (line - before.line), (after?.row ?? lastRow + 1) - 1, lastRow);
  const exact = before.line === line || oneLineEach(before, after);
  return { rowNumber: Math.max(guess, before.row), exact };
}

function oneLineEach(before: Anchor, after: Anchor | null): boolean {
  return after !== null && after.row - before.row === after.line - before.line;
}
