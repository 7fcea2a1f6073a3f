import { Link } from "@tanstack/react-router";
import type { CSSProperties } from "react";
import type { Process } from "@/api/contract";
import { StateBadge } from "@/components/StateBadge";
import { TimeAgo } from "@/components/TimeAgo";
import { formatBytes, formatCount } from "@/lib/format";
import { toDate, toNumber } from "@/lib/proto";
import classes from "./ProcessTable.module.css";
import { CountsBar } from "./summary/CountsBar";

/** Row heights of ProcessTable.module.css, in pixels. */
export const LINE_HEIGHT = 60;
export const PHONE_LINE_HEIGHT = 84;

/** A table of processes. */
export function ProcessTable({ processes }: { readonly processes: readonly Process[] }) {
  return (
    <div role="table" aria-label="Processes" className={classes.table}>
      <ProcessTableHead />
      {processes.map((process) => (
        <ProcessLine key={process.info?.processId} process={process} />
      ))}
    </div>
  );
}

export function ProcessTableHead() {
  return (
    <div role="row" className={classes.head}>
      {["File", "State", "Outcome", "Rows", "Failed", "Started"].map((label, index) => (
        <div
          role="columnheader"
          key={label}
          className={index === 3 || index === 4 ? classes.number : undefined}
        >
          {label}
        </div>
      ))}
    </div>
  );
}

interface ProcessLineProps {
  readonly process: Process;
  readonly style?: CSSProperties;
  /** Its position in a list that is only partly rendered, from 1; the header is 1. */
  readonly rowIndex?: number;
}

export function ProcessLine({ process, style, rowIndex }: ProcessLineProps) {
  const { info, counts } = process;
  const begun = toDate(process.createTime);
  const failed = toNumber(counts?.failed);
  return (
    <div role="row" aria-rowindex={rowIndex} className={classes.line} style={style}>
      <div role="cell" className={classes.cell}>
        <Link
          to="/processes/$processId"
          params={{ processId: info?.processId ?? "" }}
          className={classes.name}
          title={info?.fileName}
        >
          {info?.fileName}
        </Link>
        <div className={classes.sub}>
          {formatBytes(info?.sizeBytes ?? 0n)} ·{" "}
          {info?.pipeline ? `${info.pipeline} @${info.pipelineVersion}` : "JSON rows"}
          {info?.repairsProcessId ? " · repair" : ""}
        </div>
      </div>
      <div role="cell" className={classes.cell}>
        <div className={classes.badge}>
          <StateBadge state={process.state} />
        </div>
      </div>
      <div role="cell" className={classes.cell}>
        <CountsBar process={process} />
      </div>
      <div role="cell" className={classes.number}>
        {formatCount(counts?.read ?? 0n)}
      </div>
      <div role="cell" className={`${classes.number} ${failed > 0 ? classes.failed : classes.none}`}>
        {formatCount(failed)}
      </div>
      <div role="cell">{begun && <TimeAgo time={begun} />}</div>
    </div>
  );
}
