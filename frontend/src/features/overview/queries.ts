/** What the overview asks: processes and rows over time, what is stored, what waits. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { orchestratorClient, statusClient, uploadClient } from "@/api/clients";
import { type Range, windowOf } from "./ranges";

export const overviewKeys = {
  all: ["overview"] as const,
  charts: ["overview", "charts"] as const,
};

/** Beside what events tell of: room on a disk and an approximate queue change without one. */
const SLOWLY_MS = 30_000;

export function overviewQuery(range: Range) {
  return queryOptions({
    queryKey: [...overviewKeys.charts, range],
    queryFn: ({ signal }) => {
      const { start, end, bucketSeconds } = windowOf(range, Date.now());
      return statusClient.getOverview(
        { startTime: timestampFromMs(start), endTime: timestampFromMs(end), bucketSeconds },
        { signal },
      );
    },
    placeholderData: keepPreviousData,
    // Time goes on, also when nothing happens.
    refetchInterval: 60_000,
  });
}

export function storageQuery() {
  return queryOptions({
    queryKey: [...overviewKeys.all, "storage"],
    queryFn: ({ signal }) => uploadClient.getStorage({}, { signal }),
    refetchInterval: SLOWLY_MS,
  });
}

export function queuesQuery() {
  return queryOptions({
    queryKey: [...overviewKeys.all, "queues"],
    queryFn: ({ signal }) => orchestratorClient.getQueues({}, { signal }),
    refetchInterval: SLOWLY_MS,
  });
}
