import { type ReactNode, useMemo } from "react";
import type { GetOverviewResponse, OverviewBucket } from "@/api/contract";
import { TimeChart, type TimeChartProps } from "@/components/TimeChart";
import { formatClock, formatCompact, formatCount, formatShare, formatTime, plural } from "@/lib/format";
import { toDate, toNumber } from "@/lib/proto";
import classes from "./OverviewPage.module.css";
import { RANGE_LABELS, type Range } from "./ranges";

interface ChartProps {
  readonly overview: GetOverviewResponse;
  readonly range: Range;
}

function timesOf(buckets: readonly OverviewBucket[]): number[] {
  return buckets.map(({ startTime }) => (toDate(startTime)?.getTime() ?? 0) / 1000);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

const moment = (range: Range) => (range === "1h" ? formatClock : formatTime);

interface BarsProps extends Omit<TimeChartProps, "kind" | "height" | "formatMoment"> {
  readonly total: number;
  /** What the total counts. */
  readonly detail: ReactNode;
  readonly range: Range;
}

function Bars({ total, detail, range, ...chart }: BarsProps) {
  return (
    <>
      <p className={classes.total}>
        <strong>{formatCount(total)}</strong>
        <span>{detail}</span>
      </p>
      <TimeChart {...chart} kind="bars" height={180} formatMoment={moment(range)} />
    </>
  );
}

/** Rows over time, by outcome. */
export function RowsChart({ overview, range }: ChartProps) {
  const { times, series } = useMemo(() => {
    const { buckets } = overview;
    const values = (key: "succeeded" | "failed" | "skipped") =>
      buckets.map(({ counts }) => toNumber(counts?.[key]));
    return {
      times: timesOf(buckets),
      series: [
        { label: "Succeeded", color: "--good-fill", values: values("succeeded") },
        { label: "Failed", color: "--bad-fill", values: values("failed") },
        { label: "Skipped", color: "--neutral-fill", values: values("skipped") },
      ],
    };
  }, [overview]);
  const [succeeded = 0, failed = 0, skipped = 0] = series.map(({ values }) => sum(values));
  const all = succeeded + failed + skipped;
  if (all === 0)
    return <p className={classes.quiet}>No rows were loaded in the last {RANGE_LABELS[range]}.</p>;
  return (
    <Bars
      total={all}
      detail={<>rows, {formatShare(failed, all)} failed</>}
      range={range}
      times={times}
      series={series}
      format={formatCompact}
      summary={`Rows over the last ${RANGE_LABELS[range]}: ${formatCount(succeeded)} succeeded, ${formatCount(failed)} failed, ${formatCount(skipped)} skipped`}
    />
  );
}

/** Processes come in whole numbers only: axis ticks in between stay blank. */
function formatWhole(value: number): string {
  return Number.isInteger(value) ? formatCompact(value) : "";
}

/** Processes that ended over time, by result. */
export function ProcessesChart({ overview, range }: ChartProps) {
  const { times, series } = useMemo(() => {
    const { buckets } = overview;
    return {
      times: timesOf(buckets),
      series: [
        {
          label: "Completed",
          color: "--good-fill",
          values: buckets.map((bucket) => toNumber(bucket.processesCompleted)),
        },
        {
          label: "With errors",
          color: "--warning-fill",
          values: buckets.map((bucket) => toNumber(bucket.processesWithErrors)),
        },
        {
          label: "Failed or cancelled",
          color: "--bad-fill",
          values: buckets.map((bucket) => toNumber(bucket.processesFailed)),
        },
      ],
    };
  }, [overview]);
  const [completed = 0, withErrors = 0, failed = 0] = series.map(({ values }) => sum(values));
  const all = completed + withErrors + failed;
  if (all === 0)
    return <p className={classes.quiet}>No processes ended in the last {RANGE_LABELS[range]}.</p>;
  return (
    <Bars
      total={all}
      detail={<>ended, {plural(failed, "failure")}</>}
      range={range}
      times={times}
      series={series}
      format={formatWhole}
      summary={`Processes that ended over the last ${RANGE_LABELS[range]}: ${completed} completed, ${withErrors} with errors, ${failed} failed or cancelled`}
    />
  );
}
