/** What is asked of the upload service about a file that is being mapped. */
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
 * What the file looks like. `stage` says how much of it was there when it was asked: an answer from the
 * first pieces is asked for again once all is sent.
 */
export function inspectionQuery(uploadId: string, dialectJson: string, stage: string) {
  return queryOptions({
    queryKey: ["upload", uploadId, "inspection", dialectJson, stage],
    queryFn: ({ signal }) =>
      uploadClient.inspectUpload({ uploadId, dialectJson, sampleRows: 1000 }, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
  });
}

/** How many records are tried. */
const CHECKED_ROWS = 500;

/** What would become of the file's first records. `documentJson` "" with `pipeline` "": JSON rows. */
export function checkQuery(uploadId: string, documentJson: string, dialectJson: string, stage: string) {
  return queryOptions({
    queryKey: ["upload", uploadId, "check", documentJson, dialectJson, stage],
    queryFn: ({ signal }) =>
      uploadClient.checkUpload({ uploadId, documentJson, dialectJson, sampleRows: CHECKED_ROWS }, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
  });
}
