import { Button } from "@mantine/core";
import { IconFilterOff, IconListDetails, IconUpload } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { UploadService } from "@/api/contract";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LinkButton } from "@/components/LinkButton";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { useMay } from "@/features/access";
import { processesFilter } from "./filters";
import { EndlessProcesses } from "./list/EndlessProcesses";
import { ProcessFilters } from "./list/ProcessFilters";
import { useLiveProcesses } from "./live";
import { processesQuery } from "./queries";

/** Every process, newest first; the address holds the filter. */
export function ProcessesPage() {
  const search = useSearch({ from: "/processes" });
  const navigate = useNavigate();
  const filter = processesFilter(search);
  const list = useInfiniteQuery(processesQuery(filter));
  useLiveProcesses();
  const mayUpload = useMay(UploadService.method.createUpload);
  const processes = list.data?.pages.flatMap((page) => page.processes) ?? [];
  return (
    <>
      <PageHeader
        title="Processes"
        actions={
          mayUpload && (
            <LinkButton to="/upload" leftSection={<IconUpload size={16} aria-hidden />}>
              Upload a file
            </LinkButton>
          )
        }
      >
        Every uploaded file and its current state.
      </PageHeader>
      <ProcessFilters
        search={search}
        onChange={(next) => void navigate({ to: "/processes", search: next, replace: true })}
      />
      <Panel flush>
        {list.isError ? (
          <ErrorState error={list.error} onRetry={() => void list.refetch()} />
        ) : list.isPending ? (
          <LoadingState lines={8} label="Loading processes" />
        ) : processes.length > 0 ? (
          <EndlessProcesses
            processes={processes}
            more={list.hasNextPage}
            onMore={() => {
              if (!list.isFetching) void list.fetchNextPage();
            }}
          />
        ) : filter === "" ? (
          <EmptyState
            icon={IconListDetails}
            title="No processes yet"
            action={mayUpload && <LinkButton to="/upload">Upload a file</LinkButton>}
          >
            {mayUpload
              ? "Upload a file to start a process."
              : "A process starts when somebody uploads a file."}
          </EmptyState>
        ) : (
          <EmptyState
            icon={IconFilterOff}
            title="No matching processes"
            action={
              <Button variant="default" onClick={() => void navigate({ to: "/processes", search: {} })}>
                Clear filters
              </Button>
            }
          >
            No process matches this name, state and pipeline.
          </EmptyState>
        )}
      </Panel>
    </>
  );
}
