/** Queries about processes; the keys are here so that mutations can invalidate them. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { statusClient } from "@/api/clients";
import { type Batch, BatchState } from "@/api/contract";
import { repairsFilter } from "./filters";

export const processKeys = {
  all: ["processes"] as const,
  lists: ["processes", "list"] as const,
  list: (filter: string) => ["processes", "list", filter] as const,
  one: (processId: string) => ["processes", "one", processId] as const,
  /** Everything that belongs to one process. */
  parts: (processId: string) => ["processes", "parts", processId] as const,
};

/** Processes, newest first, page by page. `filter` has the syntax of ListProcessesRequest.filter. */
export function processesQuery(filter: string, pageSize = 50) {
  return infiniteQueryOptions({
    queryKey: [...processKeys.list(filter), pageSize],
    queryFn: ({ pageParam, signal }) =>
      statusClient.listProcesses({ filter, pageSize, pageToken: pageParam }, { signal }),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextPageToken || undefined,
  });
}

export function processQuery(processId: string) {
  return queryOptions({
    queryKey: processKeys.one(processId),
    queryFn: async ({ signal }) => (await statusClient.getProcess({ processId }, { signal })).process ?? null,
  });
}

/** Processes that repair this one, newest first. */
export function repairsQuery(processId: string) {
  return queryOptions({
    queryKey: [...processKeys.parts(processId), "repairs"],
    queryFn: async ({ signal }) =>
      (await statusClient.listProcesses({ filter: repairsFilter(processId), pageSize: 100 }, { signal }))
        .processes,
  });
}

/** Errors by code and field, most frequent first. */
export function errorsQuery(processId: string) {
  return queryOptions({
    queryKey: [...processKeys.parts(processId), "errors"],
    queryFn: async ({ signal }) => (await statusClient.summarizeErrors({ processId }, { signal })).groups,
  });
}

/** A row with its history. */
export function rowQuery(processId: string, rowNumber: number) {
  return queryOptions({
    queryKey: [...processKeys.parts(processId), "row", rowNumber],
    queryFn: async ({ signal }) =>
      (await statusClient.getRow({ processId, rowNumber: BigInt(rowNumber) }, { signal })).row ?? null,
  });
}

/** Batches by number, page by page. */
export function batchesQuery(processId: string) {
  return infiniteQueryOptions({
    queryKey: [...processKeys.parts(processId), "batches"],
    queryFn: ({ pageParam, signal }) =>
      statusClient.listBatches({ processId, pageSize: 200, pageToken: pageParam }, { signal }),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextPageToken || undefined,
  });
}

/** A file of a hundred million rows has a few thousand batches. */
const MOST_BATCHES = 20_000;

async function allBatches(processId: string, state: BatchState, signal: AbortSignal): Promise<Batch[]> {
  const all: Batch[] = [];
  let pageToken = "";
  do {
    const page = await statusClient.listBatches({ processId, state, pageSize: 1000, pageToken }, { signal });
    all.push(...page.batches);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && all.length < MOST_BATCHES);
  return all;
}

/** What was loaded when, before the page was opened: fetched once. */
export function historyQuery(processId: string) {
  return queryOptions({
    queryKey: [...processKeys.parts(processId), "history"],
    queryFn: ({ signal }) => allBatches(processId, BatchState.PROCESSED, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Where each batch starts, to find the row on a line. */
export function boundariesQuery(processId: string, batchesDispatched: number) {
  return queryOptions({
    queryKey: [...processKeys.parts(processId), "boundaries", batchesDispatched],
    queryFn: ({ signal }) => allBatches(processId, BatchState.UNSPECIFIED, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
}
