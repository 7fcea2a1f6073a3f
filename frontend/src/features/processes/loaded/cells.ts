/** Fills the cells of loaded rows in from their table, where the ledger has none. */
import { type ListLoadedRowsResponse, type LoadedRow, type Row, RowState } from "@/api/contract";
import { toNumber } from "@/lib/proto";
import type { FillRows, ListedRow } from "../grid/source";

/** Reads the rows of a process with these numbers from their table. */
export type ReadLoaded = (
  numbers: { readonly first: number; readonly last: number },
  signal: AbortSignal,
) => Promise<ListLoadedRowsResponse>;

/** The cells of a loaded row by the labels of the file's columns. */
function cellsOf(row: LoadedRow, places: readonly number[], columns: readonly string[]): readonly string[] {
  const cells = columns.map(() => "");
  row.cells.forEach(({ text }, index) => {
    const place = places[index] ?? -1;
    if (place >= 0) cells[place] = text ?? "";
  });
  return cells;
}

/** Fills rows in; `columns` are the labels of the file, `onUnreadable` is told why rows cannot be read. */
export function fillFrom(
  read: ReadLoaded,
  columns: readonly string[],
  onUnreadable: (why: string) => void,
): FillRows {
  let unreadable = false;
  return async (rows, signal) => {
    const numbers = rows.filter(isLoaded).map((row) => toNumber(row.rowNumber));
    const last = numbers.at(-1);
    let first = numbers[0];
    if (unreadable || first === undefined || last === undefined) return rows;
    const found = new Map<number, readonly string[]>();
    while (first <= last) {
      const answer = await read({ first, last }, signal);
      if (answer.unreadable !== "") {
        unreadable = true;
        onUnreadable(answer.unreadable);
        return rows;
      }
      const places = answer.columns.map(({ label }) => (label === "" ? -1 : columns.indexOf(label)));
      for (const row of answer.rows) found.set(toNumber(row.rowNumber), cellsOf(row, places, columns));
      const end = answer.rows.at(-1);
      if (!answer.more || end === undefined) break;
      first = toNumber(end.rowNumber) + 1;
    }
    return rows.map((row): ListedRow => {
      if (!isLoaded(row)) return row;
      const cells = found.get(toNumber(row.rowNumber));
      return cells === undefined ? { ...row, gone: true } : { ...row, cells: [...cells] };
    });
  };
}

function isLoaded(row: Row): boolean {
  return row.state === RowState.SUCCEEDED;
}
