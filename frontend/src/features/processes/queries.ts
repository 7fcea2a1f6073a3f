/** What is asked of the status service about processes; the keys stand here so that mutations can find them. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { statusClient } from "@/api/clients";

export const processKeys = {
  all: ["processes"] as const,
  list: (filter: string) => ["processes", "list", filter] as const,
  one: (processId: string) => ["processes", "one", processId] as const,
};

/** Processes, newest first, page by page. `filter` is in the words of ListProcessesRequest.filter. */
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
