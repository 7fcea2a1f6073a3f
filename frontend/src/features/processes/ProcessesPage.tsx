import { Button } from "@mantine/core";
import { IconListDetails } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LinkButton } from "@/components/LinkButton";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { ProcessTable } from "./ProcessTable";
import { processesQuery } from "./queries";

export function ProcessesPage() {
  const list = useInfiniteQuery(processesQuery(""));
  const processes = list.data?.pages.flatMap((page) => page.processes) ?? [];
  return (
    <>
      <PageHeader title="Processes">Every file that was sent, and where it stands.</PageHeader>
      <Panel flush>
        {list.isError ? (
          <ErrorState error={list.error} onRetry={() => void list.refetch()} />
        ) : list.isPending ? (
          <LoadingState />
        ) : processes.length === 0 ? (
          <EmptyState
            icon={IconListDetails}
            title="No processes yet"
            action={<LinkButton to="/upload">Upload a file</LinkButton>}
          >
            A process begins when a file has been uploaded.
          </EmptyState>
        ) : (
          <ProcessTable processes={processes} />
        )}
      </Panel>
      {list.hasNextPage && (
        <Button
          variant="default"
          mt="md"
          loading={list.isFetchingNextPage}
          onClick={() => void list.fetchNextPage()}
        >
          Show more
        </Button>
      )}
    </>
  );
}
