import { useQueries } from "@tanstack/react-query";
import { useMemo, useSyncExternalStore } from "react";
import { uploadCenter } from "../engine/center";
import { inspectionQuery } from "../map/queries";

export interface SentFile {
  readonly key: string;
  readonly uploadId: string;
  readonly fileName: string;
  /** The names of its columns; undefined while they are read. */
  readonly columns: readonly string[] | undefined;
}

/** The files of this page that are sent and not started, read with a declared dialect. Changes with them only. */
export function useSentFiles(dialectJson: string): readonly SentFile[] {
  const { subscribe, list } = uploadCenter();
  const text = useSyncExternalStore(subscribe, () =>
    JSON.stringify(
      list()
        .filter(({ phase, repairs }) => phase === "sent" && repairs === "")
        .map(({ key, uploadId, fileName }) => [key, uploadId, fileName]),
    ),
  );
  const sent = useMemo(() => JSON.parse(text) as [string, string, string][], [text]);
  const found = useQueries({
    queries: sent.map(([, uploadId]) => ({
      ...inspectionQuery(uploadId, dialectJson, "sent"),
      // One file has nothing to be compared with.
      enabled: sent.length > 1,
      retry: false,
    })),
    combine: (results) =>
      results.map(({ data, isPlaceholderData }) =>
        isPlaceholderData ? undefined : data?.columns.map(({ label }) => label),
      ),
  });
  return useMemo(
    () =>
      sent.map(
        ([key, uploadId, fileName], at): SentFile => ({ key, uploadId, fileName, columns: found[at] }),
      ),
    [sent, found],
  );
}
