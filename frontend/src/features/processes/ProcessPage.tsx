import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { statusClient } from "@/api/clients";
import { useServerStream } from "@/api/use-server-stream";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { StateBadge } from "@/components/StateBadge";
import { formatCount } from "@/lib/format";
import { isTerminal } from "@/lib/states";
import { processKeys, processQuery } from "./queries";

export function ProcessPage() {
  const { processId } = useParams({ from: "/processes/$processId" });
  const queryClient = useQueryClient();
  const query = useQuery(processQuery(processId));
  const process = query.data;
  useServerStream({
    key: processId,
    enabled: process !== undefined && process !== null && !isTerminal(process.state),
    open: (signal) => statusClient.watchProcess({ processId, minIntervalMs: 250 }, { signal }),
    onMessage: (message) => queryClient.setQueryData(processKeys.one(processId), message.process ?? null),
  });
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  if (!process) return <LoadingState />;
  const { counts } = process;
  return (
    <>
      <PageHeader
        title={process.info?.fileName ?? processId}
        actions={<StateBadge state={process.state} />}
      />
      <Panel title="Rows">
        <p className="tabular">
          {formatCount(counts?.read ?? 0n)} read, {formatCount(counts?.succeeded ?? 0n)} loaded,{" "}
          {formatCount(counts?.failed ?? 0n)} failed, {formatCount(counts?.skipped ?? 0n)} skipped
        </p>
      </Panel>
    </>
  );
}
