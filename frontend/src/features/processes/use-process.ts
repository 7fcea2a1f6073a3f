import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { statusClient } from "@/api/clients";
import type { Process, WatchProcessResponse } from "@/api/contract";
import { type ServerStreamState, useServerStream } from "@/api/use-server-stream";
import { toDate } from "@/lib/proto";
import { isTerminal } from "@/lib/states";
import { useAllEvents } from "./live";
import { errorsQuery, historyQuery, processKeys, processQuery, repairsQuery } from "./queries";
import { joined, rowsDone, type Sample, samplesOf } from "./summary/progress";
import { useRefetchOnChange } from "./use-refetch";

/**
 * A process kept up to date: by WatchProcess while it runs, and by the event log once it has ended, because
 * repairs and an undo still change it.
 */
export function useProcess(processId: string) {
  const queryClient = useQueryClient();
  const query = useQuery(processQuery(processId));
  const process = query.data ?? null;
  const running = process !== null && !isTerminal(process.state);
  const [live, setLive] = useState<readonly Sample[]>([]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another process starts over.
  useEffect(() => setLive([]), [processId]);

  const stream: ServerStreamState = useServerStream<WatchProcessResponse>({
    key: processId,
    enabled: running,
    open: (signal) => statusClient.watchProcess({ processId, minIntervalMs: 250 }, { signal }),
    onMessage: ({ process: next }) => {
      if (next === undefined) return;
      queryClient.setQueryData(processKeys.one(processId), next);
      const time = toDate(next.updateTime)?.getTime() ?? Date.now();
      setLive((before) => joined(before, [{ time, done: rowsDone(next) }]).slice(-5000));
      if (isTerminal(next.state)) refreshParts();
    },
    // A stream that ends before the process does is broken.
    isComplete: () => {
      const known = queryClient.getQueryData<Process | null>(processKeys.one(processId));
      return known !== null && known !== undefined && isTerminal(known.state);
    },
  });

  useAllEvents(
    (events) => {
      const repairs = queryClient.getQueryData(repairsQuery(processId).queryKey) ?? [];
      const own = new Set([processId, ...repairs.map(({ info }) => info?.processId ?? "")]);
      const concerns = events.some(
        (event) =>
          own.has(event.processId) ||
          event.type === "ingestion.started" ||
          event.dataJson.includes(processId),
      );
      if (!concerns) return;
      void queryClient.invalidateQueries({ queryKey: processKeys.one(processId) });
      refreshParts();
    },
    { enabled: process !== null && !running },
  );

  function refreshParts(): void {
    void queryClient.invalidateQueries({ queryKey: processKeys.parts(processId) });
  }

  return { query, process, running, stream, live };
}

/** Rows with an outcome over time: from the records of batches, then live. */
export function useSamples(process: Process, live: readonly Sample[]): readonly Sample[] {
  const processId = process.info?.processId ?? "";
  const history = useQuery({ ...historyQuery(processId), enabled: !process.expired });
  const begun = toDate(process.createTime)?.getTime() ?? 0;
  return useMemo(() => joined(samplesOf(history.data ?? [], begun), live), [history.data, live, begun]);
}

/** The error summary, refetched when more rows have failed, but not after every single one. */
export function useErrorGroups(process: Process) {
  const query = errorsQuery(process.info?.processId ?? "");
  useRefetchOnChange(query.queryKey, `${process.counts?.failed} ${process.counts?.skipped}`);
  return useQuery(query);
}
