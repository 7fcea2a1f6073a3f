/** Queries about an upload that is being mapped. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { uploadClient } from "@/api/clients";

/** The server's record of an upload. */
export function uploadQuery(uploadId: string) {
  return queryOptions({
    queryKey: ["upload", uploadId],
    queryFn: async ({ signal }) => (await uploadClient.getUpload({ uploadId }, { signal })).upload ?? null,
  });
}

/**
 * Inspects the file. `stage` says how much of it had been sent: a result from the first pieces is fetched
 * again once everything is sent.
 */
export function inspectionQuery(uploadId: string, dialectJson: string, stage: string) {
  return queryOptions({
    queryKey: ["upload", uploadId, "inspection", dialectJson, stage],
    queryFn: async ({ signal }) => {
      const found = await uploadClient.inspectUpload({ uploadId, dialectJson, sampleRows: 1000 }, { signal });
      // Pipelines read a column by its name: labels may be blank or occur twice.
      return { ...found, columns: found.columns.map((column) => ({ ...column, label: column.name })) };
    },
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
  });
}

/** Records in a dry run. */
const DRY_RUN_ROWS = 500;

/** A dry run of the file's first records. An empty `documentJson` loads JSON rows. */
export function dryRunQuery(uploadId: string, documentJson: string, dialectJson: string, stage: string) {
  return queryOptions({
    queryKey: ["upload", uploadId, "dry-run", documentJson, dialectJson, stage],
    queryFn: ({ signal }) =>
      uploadClient.dryRunUpload(
        { uploadId, documentJson, dialectJson, sampleRows: DRY_RUN_ROWS },
        { signal },
      ),
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
  });
}
