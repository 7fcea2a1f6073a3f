/** Queries about what a process has in its table. */
import { queryOptions } from "@tanstack/react-query";
import { processorClient } from "@/api/clients";
import { processKeys } from "../queries";

/** The table of a process, its SELECT and, once it has ended, its counts; `state` asks anew when it changes. */
export function tableQuery(processId: string, state: string, withCounts: boolean) {
  return queryOptions({
    queryKey: [...processKeys.parts(processId), "table", state, withCounts],
    queryFn: ({ signal }) =>
      processorClient.listLoadedRows({ processId, firstRow: 1n, lastRow: 1n, withCounts }, { signal }),
  });
}

/** One row as it is in the table; null: it is not there. */
export function loadedRowQuery(processId: string, rowNumber: number) {
  const number = BigInt(rowNumber);
  return queryOptions({
    queryKey: [...processKeys.parts(processId), "loaded", rowNumber],
    queryFn: ({ signal }) =>
      processorClient.listLoadedRows({ processId, firstRow: number, lastRow: number }, { signal }),
  });
}
