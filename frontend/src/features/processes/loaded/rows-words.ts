/** What a table had before a process and has now. */
import type { ListLoadedRowsResponse } from "@/api/contract";
import { formatCount, plural } from "@/lib/format";
import { toNumber } from "@/lib/proto";

type Counts = Pick<
  ListLoadedRowsResponse,
  "tableRows" | "processRows" | "aboutTableRows" | "rowsBefore" | "rowsBeforeEstimated"
>;

/** "had 2 rows before, has 5 now: 3 of this process, 2 others." */
export function rowsWords(counts: Counts): string {
  const { tableRows, processRows, aboutTableRows, rowsBefore, rowsBeforeEstimated } = counts;
  const now =
    tableRows !== undefined
      ? formatCount(tableRows)
      : aboutTableRows !== undefined && `about ${formatCount(aboutTableRows)}`;
  if (now === false) return "";
  const unit = tableRows === 1n ? "row" : "rows";
  let words = `has ${now} ${unit} now`;
  if (rowsBefore !== undefined) {
    const before = plural(toNumber(rowsBefore), "row");
    words = `had ${rowsBeforeEstimated ? `about ${before}` : before} before, has ${now} now`;
  }
  if (tableRows === undefined || processRows === undefined) return `${words}.`;
  const others = toNumber(tableRows) - toNumber(processRows);
  return `${words}: ${formatCount(processRows)} of this process, ${formatCount(others)} others.`;
}
