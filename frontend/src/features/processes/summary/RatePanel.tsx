import { useMemo } from "react";
import type { Process } from "@/api/contract";
import { Panel } from "@/components/Panel";
import { TimeChart } from "@/components/TimeChart";
import { formatClock, formatCompact, formatRowRate } from "@/lib/format";
import { toDate } from "@/lib/proto";
import { isTerminal } from "@/lib/states";
import { currentRate, durationOf, piecesFor, rateSeries, rowsDone, type Sample } from "./progress";
import classes from "./Summary.module.css";
import { useNow } from "./SummaryPanel";

/** Rows per second since the process started. */
export function RatePanel({
  process,
  samples,
}: {
  readonly process: Process;
  readonly samples: readonly Sample[];
}) {
  const ended = toDate(process.endTime)?.getTime() ?? null;
  const now = useNow(isTerminal(process.state) ? null : 1_000);
  const end = isTerminal(process.state) ? (ended ?? now) : now;
  const { times, rates } = useMemo(() => rateSeries(samples, end, piecesFor(samples.length)), [samples, end]);
  const series = useMemo(() => [{ label: "Rows per second", color: "--accent", values: rates }], [rates]);
  const duration = durationOf(process, now);
  const rate =
    ended === null ? currentRate(samples, now) : duration > 0 ? (rowsDone(process) / duration) * 1000 : null;
  const most = Math.max(0, ...rates);
  return (
    <Panel title="Speed">
      <p className={classes.rate}>
        <strong>{rate === null ? "–" : formatRowRate(rate)}</strong>
        <span>{ended === null ? "now" : "on average"}</span>
      </p>
      {samples.length > 2 ? (
        <TimeChart
          kind="area"
          height={170}
          times={times}
          series={series}
          summary={`Rows per second over time, at most ${formatRowRate(most)}`}
          format={formatCompact}
          formatMoment={formatClock}
        />
      ) : (
        <p className={classes.progress}>
          {rowsDone(process) > 0 ? "All rows were loaded in one batch." : "No rows have an outcome yet."}
        </p>
      )}
    </Panel>
  );
}
