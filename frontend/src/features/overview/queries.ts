/** Queries of the overview: processes and rows over time, storage, queues. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { orchestratorClient, statusClient, uploadClient } from "@/api/clients";
import { type Range, windowOf } from "./ranges";

export const overviewKeys = {
  all: ["overview"] as const,
  charts: ["overview", "charts"] as const,
};

/** Polling in addition to events: disk space and approximate queue lengths change without an event. */
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
    // The range moves with time, even when nothing happens.
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
