import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { pipelineQuery } from "./queries";

export function PipelinePage() {
  const { name } = useParams({ from: "/pipelines/$name" });
  const query = useQuery(pipelineQuery(name, 0));
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <LoadingState />;
  return (
    <>
      <PageHeader title={name} />
      <Panel title={`Version ${query.data.version}`}>
        <pre className="mono">{JSON.stringify(JSON.parse(query.data.documentJson), null, 2)}</pre>
      </Panel>
    </>
  );
}
