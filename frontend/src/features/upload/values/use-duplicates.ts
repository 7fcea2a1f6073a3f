import { queryOptions, useQuery } from "@tanstack/react-query";
import { uploadClient } from "@/api/clients";
import type { Plan } from "../map/use-plan";
import { writeDialect } from "../preview/dialect";
import { keyColumns } from "./keys";

/** As many rows as the server looks at. */
const ROWS = 100_000;

function duplicatesQuery(uploadId: string, dialectJson: string, key: readonly string[]) {
  return queryOptions({
    queryKey: ["upload", uploadId, "duplicates", dialectJson, ...key],
    queryFn: ({ signal }) =>
      uploadClient.inspectUpload({ uploadId, dialectJson, sampleRows: ROWS, key: [...key] }, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Counts the rows of the file, once it is sent, that repeat the key of the pipeline. Null: nothing to count. */
export function useDuplicates(
  uploadId: string,
  plan: Plan,
  dialect: Readonly<Record<string, unknown>>,
  sent: boolean,
) {
  const columns = plan.document === null ? [] : keyColumns(plan.document, plan.columnOf);
  const query = useQuery({
    ...duplicatesQuery(uploadId, writeDialect(dialect), columns),
    enabled: sent && columns.length > 0,
  });
  return columns.length === 0
    ? null
    : { sent, counting: query.isFetching || !sent, found: query.data ?? null };
}

export type Duplicates = ReturnType<typeof useDuplicates>;
