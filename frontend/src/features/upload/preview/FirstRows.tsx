import { useCallback, useRef } from "react";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { Panel } from "@/components/Panel";
import { formatCount, plural } from "@/lib/format";
import classes from "../map/Map.module.css";
import type { Plan } from "../map/use-plan";
import { PreviewGrid, type PreviewGridHandle } from "./PreviewGrid";
import { ProblemList } from "./ProblemList";

/** The first rows, and what a dry run says of them. */
export function FirstRows({ plan }: { readonly plan: Plan }) {
  const { dryRun, running } = plan;
  const grid = useRef<PreviewGridHandle>(null);
  const show = useCallback((row: number, label: string) => grid.current?.reveal(row, label), []);
  return (
    <Panel
      title="First rows"
      aside={<span role="status">{running ? "Running dry run …" : <DryRunResult plan={plan} />}</span>}
      flush
    >
      {dryRun.isError ? (
        <div className={classes.pad}>
          <ErrorState inline error={dryRun.error} onRetry={() => void dryRun.refetch()} />
        </div>
      ) : dryRun.data === undefined ? (
        <LoadingState label="Running a dry run of the first rows" />
      ) : (
        <>
          <PreviewGrid ref={grid} columns={dryRun.data.columns} rows={dryRun.data.rows} />
          <ProblemList rows={dryRun.data.rows} onShow={show} />
        </>
      )}
    </Panel>
  );
}

function DryRunResult({ plan }: { readonly plan: Plan }) {
  const counts = plan.dryRun.data?.counts;
  if (plan.dryRun.isError || counts === undefined) return null;
  const tried = plan.dryRun.data?.complete
    ? `all ${plural(counts.read, "row")}`
    : `the first ${plural(counts.read, "row")}`;
  return (
    <span className="tabular">
      Dry run of {tried}: {formatCount(counts.succeeded)} would load
      {counts.failed > 0n && (
        <strong className={classes.failed}>, {formatCount(counts.failed)} would be rejected</strong>
      )}
      {counts.skipped > 0n && `, ${formatCount(counts.skipped)} skipped`}
    </span>
  );
}
