/** Lists of processes kept up to date by the event log, never by polling. */
import { type InfiniteData, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { statusClient } from "@/api/clients";
import type { ListProcessesResponse, Process, ProcessEvent, WatchEventsResponse } from "@/api/contract";
import { useServerStream } from "@/api/use-server-stream";
import { processKeys } from "./queries";

/** Up to this many processes are fetched one by one; beyond that, the lists are refetched. */
const FEW = 12;

/** Events that change only a process's counts. */
const COUNTS_ONLY: readonly string[] = ["rows.dispatched", "rows.processed"];

/** Puts newer versions of processes into the pages of a list. */
export function patched(
  pages: InfiniteData<ListProcessesResponse, string> | undefined,
  processes: ReadonlyMap<string, Process>,
): InfiniteData<ListProcessesResponse, string> | undefined {
  if (pages === undefined) return undefined;
  return {
    ...pages,
    pages: pages.pages.map((page) => ({
      ...page,
      processes: page.processes.map((process) => processes.get(process.info?.processId ?? "") ?? process),
    })),
  };
}

/** What a second of events requires: refetching everything, or only some processes. */
export function changesOf(events: readonly ProcessEvent[]): {
  readonly all: boolean;
  readonly ids: readonly string[];
} {
  const ids = [...new Set(events.map(({ processId }) => processId))];
  const all = ids.length > FEW || events.some(({ type }) => !COUNTS_ONLY.includes(type));
  return { all, ids };
}

/** Follows the events of all processes; calls `onEvents` at most once per `everyMs` with all new events. */
export function useAllEvents(
  onEvents: (events: readonly ProcessEvent[]) => void,
  { enabled = true, everyMs = 1_000 }: { readonly enabled?: boolean; readonly everyMs?: number } = {},
): void {
  const latest = useRef(onEvents);
  latest.current = onEvents;
  const gatherer = useMemo(() => gather((events) => latest.current(events), everyMs), [everyMs]);
  useEffect(() => gatherer.stop, [gatherer]);
  const last = useRef(-1n);
  useServerStream<WatchEventsResponse>({
    key: "all events",
    enabled,
    open: (signal) => statusClient.watchEvents({ afterSequence: last.current }, { signal }),
    onMessage: ({ events }) => {
      last.current = events.at(-1)?.sequence ?? last.current;
      if (events.length > 0) gatherer.add(events);
    },
    isComplete: () => false,
  });
}

/** Collects events for a moment and passes them on together. */
export function gather(hand: (events: readonly ProcessEvent[]) => void, everyMs: number) {
  let waiting: ProcessEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    add(events: readonly ProcessEvent[]): void {
      waiting.push(...events);
      timer ??= setTimeout(() => {
        timer = undefined;
        const all = waiting;
        waiting = [];
        hand(all);
      }, everyMs);
    },
    stop(): void {
      clearTimeout(timer);
      timer = undefined;
      waiting = [];
    },
  };
}

/** Keeps every list of processes on the screen up to date. */
export function useLiveProcesses(onEvents?: (events: readonly ProcessEvent[]) => void): void {
  const queryClient = useQueryClient();
  useAllEvents((events) => {
    onEvents?.(events);
    const { all, ids } = changesOf(events);
    if (all) void queryClient.invalidateQueries({ queryKey: processKeys.lists });
    else void patch(ids);
  });

  async function patch(ids: readonly string[]): Promise<void> {
    const found = new Map<string, Process>();
    // The next event covers a process that is deleted or cannot be fetched now.
    const answers = await Promise.allSettled(ids.map((processId) => statusClient.getProcess({ processId })));
    for (const answer of answers) {
      const process = answer.status === "fulfilled" ? answer.value.process : undefined;
      if (process?.info !== undefined) found.set(process.info.processId, process);
    }
    queryClient.setQueriesData<InfiniteData<ListProcessesResponse, string>>(
      { queryKey: processKeys.lists },
      (pages) => patched(pages, found),
    );
  }
}
