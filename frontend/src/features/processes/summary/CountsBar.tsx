import type { Process } from "@/api/contract";
import { formatCount } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import { isTerminal } from "@/lib/states";
import classes from "./CountsBar.module.css";
import { expectedRows } from "./progress";

export interface Part {
  readonly key: "succeeded" | "failed" | "skipped" | "unprocessed" | "queued";
  readonly label: string;
  readonly count: number;
}

/** The rows of a process by outcome. `queued` rows have been read and have no outcome yet. */
export function partsOf(process: Process): readonly Part[] {
  const { counts } = process;
  const succeeded = toNumber(counts?.succeeded);
  const failed = toNumber(counts?.failed);
  const skipped = toNumber(counts?.skipped);
  const unprocessed = toNumber(counts?.unprocessed);
  const queued = Math.max(0, toNumber(counts?.read) - succeeded - failed - skipped - unprocessed);
  return [
    { key: "succeeded", label: "Succeeded", count: succeeded },
    { key: "failed", label: "Failed", count: failed },
    { key: "skipped", label: "Skipped", count: skipped },
    { key: "unprocessed", label: "Unprocessed", count: unprocessed },
    { key: "queued", label: "In the queue", count: queued },
  ];
}

/** Rows by outcome as one bar; while the process runs, the full width is the estimated rows of the file. */
export function CountsBar({
  process,
  large = false,
}: {
  readonly process: Process;
  readonly large?: boolean;
}) {
  const parts = partsOf(process).filter(({ count }) => count > 0);
  const read = parts.reduce((sum, { count }) => sum + count, 0);
  const whole = isTerminal(process.state) ? read : Math.max(read, expectedRows(process) ?? 0);
  const words = parts.map(({ label, count }) => `${formatCount(count)} ${label.toLowerCase()}`).join(", ");
  return (
    <div
      role="img"
      aria-label={words === "" ? "No rows yet" : words}
      className={large ? classes.large : classes.bar}
    >
      {parts.map(({ key, count }) => (
        <div
          key={key}
          data-part={key}
          className={classes.part}
          style={{ flexGrow: count / Math.max(whole, 1) }}
        />
      ))}
      {whole > read && <div className={classes.rest} style={{ flexGrow: (whole - read) / whole }} />}
    </div>
  );
}
