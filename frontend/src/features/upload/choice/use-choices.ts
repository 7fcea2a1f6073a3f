import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { InspectedColumn } from "@/api/contract";
import { type PipelineDocument, readDocument } from "@/features/pipelines";
import { pipelinesQuery } from "@/features/pipelines/queries";
import { fitOf } from "../map/matching";
import { matchPipeline } from "../map/plan";
import type { PipelineChoice } from "../map/TargetPanel";
import { loadedBeforeQuery } from "./loaded";
import { neededFields, unreadColumns } from "./not-loaded";

/** The stored pipelines, and how each suits a file with these columns. */
export function useChoices(columns: readonly InspectedColumn[] | undefined, labels: readonly string[]) {
  const stored = useQuery(pipelinesQuery());
  const loadedBefore = useQuery(loadedBeforeQuery(labels));
  const documents = useMemo(() => {
    const found = new Map<string, PipelineDocument>();
    for (const pipeline of stored.data ?? []) {
      const read = readDocument(pipeline.documentJson);
      if (read.ok) found.set(pipeline.name, read.document);
    }
    return found;
  }, [stored.data]);
  const pipelines = useMemo(
    () =>
      (stored.data ?? []).map(({ name, version }): PipelineChoice => {
        const document = documents.get(name);
        if (document === undefined || columns === undefined) {
          return { name, version, table: "", fit: null, unread: [], loadedBefore: false };
        }
        const matches = matchPipeline(document, columns, new Map());
        const needed = neededFields(document);
        const whole = matches.every(({ field, label }) => label !== null || !needed.has(field));
        return {
          name,
          version,
          table: document.sink.table ?? "",
          fit: fitOf(matches),
          unread: unreadColumns(document, labels, matches),
          loadedBefore: whole && loadedBefore.data?.has(name) === true,
        };
      }),
    [stored.data, documents, columns, labels, loadedBefore.data],
  );
  const deciding = stored.isPending || (labels.length > 0 && loadedBefore.isPending);
  return { documents, pipelines, deciding };
}
