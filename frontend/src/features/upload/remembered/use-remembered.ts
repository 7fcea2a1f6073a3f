import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { type Decisions, recall, remember } from "./mapping-memory";

/** What was decided about an upload before this screen was opened; undefined while it is read. */
export function useRemembered(uploadId: string): Decisions | undefined {
  return useQuery({
    queryKey: ["remembered-mapping", uploadId],
    queryFn: () => recall(uploadId),
    staleTime: 0,
    gcTime: 0,
    retry: false,
    networkMode: "always",
    refetchOnMount: "always",
    refetchOnReconnect: false,
    refetchOnWindowFocus: false,
  }).data;
}

/** Remembers the decisions whenever they change. */
export function useRemembering(uploadId: string, decisions: Decisions): void {
  const text = JSON.stringify(decisions);
  const before = useRef(text);
  useEffect(() => {
    if (before.current === text) return;
    before.current = text;
    void remember(uploadId, JSON.parse(text) as Decisions);
  }, [uploadId, text]);
}
