import { SegmentedControl } from "@mantine/core";
import { IconCircleCheck, IconInbox, IconUpload } from "@tabler/icons-react";
import { type UseQueryResult, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { type Process, UploadService } from "@/api/contract";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LinkButton } from "@/components/LinkButton";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { TimeAgo } from "@/components/TimeAgo";
import { useMay } from "@/features/access";
import { ProcessTable, useLiveProcesses } from "@/features/processes";
import { processesQuery } from "@/features/processes/queries";
import { toDate } from "@/lib/proto";
import { ProcessesChart, RowsChart } from "./Charts";
import { QueuesPanel, StoragePanel } from "./Gauges";
import classes from "./OverviewPage.module.css";
import { overviewKeys, overviewQuery, queuesQuery, storageQuery } from "./queries";
import { RANGE_LABELS, RANGES, type Range } from "./ranges";
import { StateTiles } from "./StateTiles";

/** What is running, what has ended, and how much space is left. */
export function OverviewPage() {
  const { range = "24h" } = useSearch({ from: "/" });
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const overview = useQuery(overviewQuery(range));
  const storage = useQuery(storageQuery());
  const queues = useQuery(queuesQuery());
  const latest = useInfiniteQuery(processesQuery("", 8));
  const failures = useInfiniteQuery(processesQuery("state=FAILED", 5));
  useLiveProcesses(() => void queryClient.invalidateQueries({ queryKey: overviewKeys.all }));
  const processes = latest.data?.pages[0]?.processes ?? [];
  const mayUpload = useMay(UploadService.method.createUpload);
  const upload = mayUpload && (
    <LinkButton to="/upload" leftSection={<IconUpload size={16} aria-hidden />}>
      Upload a file
    </LinkButton>
  );
  return (
    <>
      <PageHeader
        title="Overview"
        actions={
          <>
            <SegmentedControl
              aria-label="Time range"
              value={range}
              onChange={(next) => void navigate({ to: "/", search: { range: next as Range }, replace: true })}
              data={RANGES.map((value) => ({ value, label: RANGE_LABELS[value] }))}
            />
            {upload}
          </>
        }
      >
        What is loading, and what has been loaded.
      </PageHeader>
      <StateTiles states={overview.data?.states} />
      <div className={classes.pair}>
        <Panel title="Rows">
          <div className={classes.chartPlace}>
            <Loaded query={overview}>{(data) => <RowsChart overview={data} range={range} />}</Loaded>
          </div>
        </Panel>
        <Panel title="Processes that ended">
          <div className={classes.chartPlace}>
            <Loaded query={overview}>{(data) => <ProcessesChart overview={data} range={range} />}</Loaded>
          </div>
        </Panel>
      </div>
      <div className={classes.pair}>
        <Panel title="Storage">
          <div className={classes.gaugePlace}>
            <Loaded query={storage} lines={2}>
              {(data) => <StoragePanel storage={data} />}
            </Loaded>
          </div>
        </Panel>
        <Panel title="Queues">
          <div className={classes.gaugePlace}>
            <Loaded query={queues} lines={2}>
              {(data) => <QueuesPanel queues={data} />}
            </Loaded>
          </div>
        </Panel>
      </div>
      <div className={classes.lists}>
        <Panel title="Latest processes" aside={<Link to="/processes">All processes</Link>} flush>
          {latest.isError ? (
            <ErrorState error={latest.error} onRetry={() => void latest.refetch()} />
          ) : latest.isPending ? (
            <LoadingState label="Loading processes" />
          ) : processes.length === 0 ? (
            <EmptyState icon={IconInbox} title="No files yet" action={upload}>
              {mayUpload
                ? "Upload a CSV file, an Excel workbook, JSON or Parquet, and watch every row being validated and loaded."
                : "Files of your tenant appear here once somebody uploads them."}
            </EmptyState>
          ) : (
            <ProcessTable processes={processes} />
          )}
        </Panel>
        {!latest.isPending && (
          <Panel
            title="Latest failures"
            aside={
              <Link to="/processes" search={{ state: "FAILED" }}>
                All failures
              </Link>
            }
            flush
          >
            {failures.isError ? (
              <ErrorState error={failures.error} onRetry={() => void failures.refetch()} />
            ) : failures.isPending ? (
              <LoadingState lines={3} label="Loading failures" />
            ) : (
              <Failures processes={failures.data.pages[0]?.processes ?? []} />
            )}
          </Panel>
        )}
      </div>
    </>
  );
}

interface LoadedProps<Data> {
  readonly query: UseQueryResult<Data>;
  readonly lines?: number;
  readonly children: (data: Data) => ReactNode;
}

/** The data of a query; until then a skeleton or the error. */
function Loaded<Data>({ query, lines = 5, children }: LoadedProps<Data>) {
  if (query.data !== undefined) return children(query.data);
  if (query.isError) return <ErrorState error={query.error} inline onRetry={() => void query.refetch()} />;
  return <LoadingState lines={lines} />;
}

function Failures({ processes }: { readonly processes: readonly Process[] }) {
  if (processes.length === 0) {
    return (
      <EmptyState icon={IconCircleCheck} title="No failures">
        Files that could not be loaded appear here.
      </EmptyState>
    );
  }
  return (
    <ul className={classes.failures}>
      {processes.map((process) => {
        const ended = toDate(process.endTime);
        return (
          <li key={process.info?.processId}>
            <p>
              <Link to="/processes/$processId" params={{ processId: process.info?.processId ?? "" }}>
                {process.info?.fileName}
              </Link>
              {ended && (
                <span className={classes.when}>
                  <TimeAgo time={ended} />
                </span>
              )}
            </p>
            <p className={classes.why}>{process.failure?.message}</p>
          </li>
        );
      })}
    </ul>
  );
}
