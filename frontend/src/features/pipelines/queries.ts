/** Queries about pipelines. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { pipelineClient } from "@/api/clients";
import type { Pipeline } from "@/api/contract";

/** Stands for a new pipeline in the address; no pipeline can have this name. */
export const NEW_PIPELINE = "_new";

export const pipelineKeys = {
  all: ["pipelines"] as const,
  one: (name: string, version: number) => ["pipelines", "one", name, version] as const,
  versions: (name: string) => ["pipelines", "versions", name] as const,
};

/** The latest version of every pipeline, by name. A team has dozens at most, so all pages are fetched. */
export function pipelinesQuery() {
  return queryOptions({
    queryKey: [...pipelineKeys.all, "list"],
    queryFn: async ({ signal }) => {
      const all: Pipeline[] = [];
      let pageToken = "";
      do {
        const page = await pipelineClient.listPipelines({ pageSize: 1000, pageToken }, { signal });
        all.push(...page.pipelines);
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return all;
    },
  });
}

/** A version of a pipeline; 0: the latest. */
export function pipelineQuery(name: string, version: number) {
  return queryOptions({
    queryKey: pipelineKeys.one(name, version),
    queryFn: async ({ signal }) =>
      (await pipelineClient.getPipeline({ name, version }, { signal })).pipeline ?? null,
  });
}

/** The versions of a pipeline, newest first. */
export function versionsQuery(name: string) {
  return infiniteQueryOptions({
    queryKey: pipelineKeys.versions(name),
    queryFn: ({ pageParam, signal }) =>
      pipelineClient.listPipelineVersions({ name, pageSize: 50, pageToken: pageParam }, { signal }),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextPageToken || undefined,
  });
}

/** Validates a document with a dry run: nothing is stored. The error's violations say what is wrong. */
export function validationQuery(documentJson: string) {
  return queryOptions({
    queryKey: ["pipeline-validation", documentJson],
    queryFn: ({ signal }) => pipelineClient.applyPipeline({ documentJson, dryRun: true }, { signal }),
    staleTime: 60_000,
    gcTime: 60_000,
  });
}
