/** Which pipelines have loaded a file with the same columns before. */
import { queryOptions } from "@tanstack/react-query";
import { pipelineClient } from "@/api/clients";
import { pipelineKeys } from "@/features/pipelines/queries";

export function loadedBeforeQuery(columns: readonly string[]) {
  return queryOptions({
    queryKey: [...pipelineKeys.all, "loaded", ...columns],
    queryFn: async ({ signal }): Promise<ReadonlySet<string>> => {
      const request = { loadedColumns: [...columns], pageSize: 1000 };
      const { pipelines } = await pipelineClient.listPipelines(request, { signal });
      return new Set(pipelines.map(({ name }) => name));
    },
    enabled: columns.length > 0,
  });
}
