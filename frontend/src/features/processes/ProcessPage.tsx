import { Tabs } from "@mantine/core";
import { IconClockX } from "@tabler/icons-react";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useRef } from "react";
import type { Process } from "@/api/contract";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { QuotaFacts } from "@/components/QuotaFacts";
import { StateBadge } from "@/components/StateBadge";
import { formatCompact } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import type { ProcessSearch } from "@/lib/search";
import { ProcessActions } from "./actions/ProcessActions";
import { ErrorsTab } from "./errors/ErrorsTab";
import classes from "./ProcessPage.module.css";
import { ReportMenu } from "./report/ReportMenu";
import { Callouts } from "./summary/Callouts";
import type { Sample } from "./summary/progress";
import { RatePanel } from "./summary/RatePanel";
import summary from "./summary/Summary.module.css";
import { SummaryPanel } from "./summary/SummaryPanel";
import { useErrorGroups, useProcess, useSamples } from "./use-process";
import { useScrollTo } from "./use-scroll-to";
import { VerifyMenu } from "./verify/VerifyMenu";

// Tabs that are not visible at first are loaded on demand.
const RowsTab = lazy(() => import("./rows/RowsTab").then(({ RowsTab }) => ({ default: RowsTab })));
const BatchesTab = lazy(() =>
  import("./batches/BatchesTab").then(({ BatchesTab }) => ({ default: BatchesTab })),
);
const EventsTab = lazy(() => import("./events/EventsTab").then(({ EventsTab }) => ({ default: EventsTab })));
const RepairPanel = lazy(() =>
  import("./repair/RepairPanel").then(({ RepairPanel }) => ({ default: RepairPanel })),
);

/** One process, kept up to date. */
export function ProcessPage() {
  const { processId } = useParams({ from: "/processes/$processId" });
  const { query, process, stream, live } = useProcess(processId);
  if (process === null) {
    if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
    return <LoadingState lines={8} label="Loading the process" />;
  }
  return (
    <>
      {stream.problem && (stream.phase === "failed" || stream.problem.reason === "QUOTA_EXCEEDED") && (
        <p className={classes.stream} role="alert">
          <strong>{stream.problem.title}.</strong> <QuotaFacts problem={stream.problem} />{" "}
          {stream.problem.advice}
        </p>
      )}
      <Screen key={processId} process={process} live={live} />
    </>
  );
}

function Screen({ process, live }: { readonly process: Process; readonly live: readonly Sample[] }) {
  const groups = useErrorGroups(process);
  const samples = useSamples(process, live);
  return (
    <>
      <PageHeader
        title={
          <span className={classes.title}>
            {process.info?.fileName}
            <StateBadge state={process.state} />
          </span>
        }
        documentTitle={process.info?.fileName}
        actions={
          <>
            <ReportMenu process={process} />
            <VerifyMenu process={process} />
            <ProcessActions process={process} groups={groups.data ?? []} />
          </>
        }
      >
        <span className={classes.id}>{process.info?.processId}</span>
      </PageHeader>
      <Callouts process={process} />
      <div className={summary.grid}>
        <SummaryPanel process={process} samples={samples} />
        <RatePanel process={process} samples={samples} />
      </div>
      <Suspense fallback={null}>
        <RepairPanel process={process} />
      </Suspense>
      <Details process={process} groups={groups} />
    </>
  );
}

interface DetailsProps {
  readonly process: Process;
  readonly groups: ReturnType<typeof useErrorGroups>;
}

/** Errors, rows, batches or events, as the address says. */
function Details({ process, groups }: DetailsProps) {
  const search = useSearch({ from: "/processes/$processId" });
  const navigate = useNavigate();
  const processId = process.info?.processId ?? "";
  const failed = toNumber(process.counts?.failed);
  const tab = search.tab ?? (failed > 0 ? "errors" : "rows");
  const go = (next: ProcessSearch, replace: boolean) =>
    void navigate({
      to: "/processes/$processId",
      params: { processId },
      search: next,
      replace,
      resetScroll: false,
    });
  const box = useRef<HTMLDivElement>(null);
  // A shared link scrolls to the tab that it opens.
  useScrollTo(box, search.tab !== undefined);
  const counts = `${process.counts?.succeeded} ${process.counts?.failed} ${process.state}`;
  return (
    <Tabs
      ref={box}
      value={tab}
      onChange={(next) => go({ tab: (next ?? undefined) as ProcessSearch["tab"] }, false)}
      keepMounted={false}
      className={classes.tabs}
    >
      <Tabs.List className={classes.list}>
        <Tab value="errors" label="Errors" count={groups.data?.length} />
        <Tab value="rows" label="Rows" count={toNumber(process.counts?.read)} />
        <Tab value="batches" label="Batches" count={toNumber(process.batchesDispatched)} />
        <Tab value="events" label="Events" />
      </Tabs.List>
      <div className={classes.panel}>
        <Suspense fallback={<LoadingState />}>
          <Tabs.Panel value="errors">
            <ErrorsTab process={process} groups={groups} />
          </Tabs.Panel>
          <Tabs.Panel value="rows">
            <Kept process={process}>
              <RowsTab
                process={process}
                search={search}
                onSearch={(next) => go({ ...next, tab: "rows" }, true)}
              />
            </Kept>
          </Tabs.Panel>
          <Tabs.Panel value="batches">
            <BatchesTab process={process} />
          </Tabs.Panel>
          <Tabs.Panel value="events">
            <EventsTab processId={processId} changes={counts} />
          </Tabs.Panel>
        </Suspense>
      </div>
    </Tabs>
  );
}

function Tab({
  value,
  label,
  count,
}: {
  readonly value: string;
  readonly label: string;
  readonly count?: number;
}) {
  return (
    <Tabs.Tab value={value}>
      {label}
      {count !== undefined && count > 0 && <span className={classes.amount}>{formatCompact(count)}</span>}
    </Tabs.Tab>
  );
}

function Kept({ process, children }: { readonly process: Process; readonly children: ReactNode }) {
  if (!process.expired) return children;
  return (
    <EmptyState icon={IconClockX} title="Individual rows are no longer stored">
      The counts and the error summary are kept.
    </EmptyState>
  );
}
