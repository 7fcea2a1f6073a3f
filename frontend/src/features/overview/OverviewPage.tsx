import { IconInbox, IconUpload } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LinkButton } from "@/components/LinkButton";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { ProcessTable } from "@/features/processes/ProcessTable";
import { processesQuery } from "@/features/processes/queries";

export function OverviewPage() {
  const latest = useInfiniteQuery(processesQuery("", 10));
  const processes = latest.data?.pages[0]?.processes ?? [];
  const upload = (
    <LinkButton to="/upload" leftSection={<IconUpload size={16} aria-hidden />}>
      Upload a file
    </LinkButton>
  );
  return (
    <>
      <PageHeader title="Overview" actions={upload}>
        What is being loaded, and what became of it.
      </PageHeader>
      <Panel title="Latest processes" aside={<Link to="/processes">All processes</Link>} flush>
        {latest.isError ? (
          <ErrorState error={latest.error} onRetry={() => void latest.refetch()} />
        ) : latest.isPending ? (
          <LoadingState />
        ) : processes.length === 0 ? (
          <EmptyState icon={IconInbox} title="Nothing was sent yet" action={upload}>
            Drop a CSV file, an Excel workbook, JSON or Parquet, and see each of its rows checked and loaded.
          </EmptyState>
        ) : (
          <ProcessTable processes={processes} />
        )}
      </Panel>
    </>
  );
}
