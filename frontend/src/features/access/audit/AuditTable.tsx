import { useMediaQuery } from "@mantine/hooks";
import type { CSSProperties } from "react";
import type { AuditRecord } from "@/api/contract";
import { EndlessTable } from "@/components/EndlessTable";
import { formatExactTime, formatTime } from "@/lib/format";
import { toDate } from "@/lib/proto";
import { inWords, roleLabel } from "../roles/roles";
import classes from "./AuditTable.module.css";

/** Row heights of AuditTable.module.css, in pixels. */
const LINE_HEIGHT = 56;
const PHONE_LINE_HEIGHT = 104;

interface AuditTableProps {
  readonly records: readonly AuditRecord[];
  readonly more: boolean;
  readonly onMore: () => void;
}

/** Audit records, as far as the person scrolls. */
export function AuditTable({ records, more, onMore }: AuditTableProps) {
  const phone = useMediaQuery("(max-width: 760px)", undefined, { getInitialValueInEffect: false });
  return (
    <EndlessTable
      label="Audit log"
      className={classes.table}
      head={
        <div role="row" className={classes.head}>
          {["Time", "Who", "Call", "Object", "Outcome", "Address"].map((label) => (
            <div role="columnheader" key={label}>
              {label}
            </div>
          ))}
        </div>
      }
      items={records}
      lineHeight={phone ? PHONE_LINE_HEIGHT : LINE_HEIGHT}
      line={(record, style, rowIndex) => (
        <Line key={String(record.sequence)} record={record} style={style} rowIndex={rowIndex} />
      )}
      more={more}
      onMore={onMore}
    />
  );
}

interface LineProps {
  readonly record: AuditRecord;
  readonly style: CSSProperties;
  readonly rowIndex: number;
}

function Line({ record, style, rowIndex }: LineProps) {
  const { subject, roles, method, object, outcome, reason, address, traceId } = record;
  const time = toDate(record.time);
  return (
    <div role="row" aria-rowindex={rowIndex} className={classes.line} style={style}>
      <div role="cell">
        {time && (
          <time dateTime={time.toISOString()} title={formatExactTime(time)}>
            {formatTime(time)}
          </time>
        )}
      </div>
      <div role="cell">
        <div className="truncate" title={subject}>
          {subject}
        </div>
        <div className={`${classes.sub} truncate`}>{roles.map(roleLabel).join(", ")}</div>
      </div>
      <div role="cell" className="truncate" title={method}>
        {inWords(method)}
      </div>
      <div role="cell" className="mono truncate" title={object}>
        {object}
      </div>
      <div role="cell" className={outcome === "OK" ? undefined : classes.bad}>
        <div className="truncate">{outcome}</div>
        {reason !== "" && <div className={`${classes.sub} truncate`}>{reason}</div>}
      </div>
      <div role="cell">
        <div className="truncate" title={traceId === "" ? undefined : `Trace ${traceId}`}>
          {address}
        </div>
      </div>
    </div>
  );
}
