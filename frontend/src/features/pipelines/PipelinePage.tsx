import { useQuery } from "@tanstack/react-query";
import { useParams, useSearch } from "@tanstack/react-router";
import { PipelineService } from "@/api/contract";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { RoleNeeded, useMay } from "@/features/access";
import { pretty, writeDocument } from "./document/document";
import { PipelineEditor } from "./editor/PipelineEditor";
import { NEW_PIPELINE, pipelineQuery } from "./queries";

const BLANK = { name: "", schema: { fields: [{ name: "id", type: "integer" }] }, sink: { table: "" } };

export function PipelinePage() {
  const { name } = useParams({ from: "/pipelines/$name" });
  const { version = 0 } = useSearch({ from: "/pipelines/$name" });
  const isNew = name === NEW_PIPELINE;
  const query = useQuery({ ...pipelineQuery(name, version), enabled: !isNew });
  const mayWrite = useMay(PipelineService.method.applyPipeline);
  if (isNew && !mayWrite) {
    return (
      <>
        <PageHeader title="New pipeline" />
        <RoleNeeded to="To write pipelines" method={PipelineService.method.applyPipeline} />
      </>
    );
  }
  if (isNew) return <PipelineEditor key={NEW_PIPELINE} stored={null} start={writeDocument(BLANK)} />;
  if (query.isError) {
    return (
      <>
        <PageHeader title={name} />
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      </>
    );
  }
  if (!query.data) return <LoadingState />;
  return (
    <PipelineEditor
      key={`${name}@${query.data.version}`}
      stored={query.data}
      start={pretty(query.data.documentJson)}
    />
  );
}
