import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

/** Refetches a query when `state` changes, at most once a second. */
export function useRefetchOnChange(queryKey: QueryKey, state: string): void {
  const queryClient = useQueryClient();
  const key = useRef(queryKey);
  key.current = queryKey;
  const before = useRef(state);
  const waiting = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    if (before.current === state) return;
    before.current = state;
    waiting.current ??= setTimeout(() => {
      waiting.current = undefined;
      void queryClient.invalidateQueries({ queryKey: key.current });
    }, 1_000);
  }, [state, queryClient]);
  useEffect(() => () => clearTimeout(waiting.current), []);
}
