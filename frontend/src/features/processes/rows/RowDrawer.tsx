import { ActionIcon, Drawer } from "@mantine/core";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { ErrorPhase, type Process, type Row, type RowError, RowState, type RowVersion } from "@/api/contract";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { RowStateBadge } from "@/components/StateBadge";
import { formatCount, formatTime } from "@/lib/format";
import { toDate, toNumber } from "@/lib/proto";
import { codeWords } from "../errors/codes";
import { errorsByCell } from "../grid/columns";
import { rowQuery } from "../queries";
import classes from "./Rows.module.css";

const LoadedValues = lazy(() =>
  import("../loaded/LoadedValues").then(({ LoadedValues }) => ({ default: LoadedValues })),
);

interface RowDrawerProps {
  readonly process: Process;
  readonly mapping: ReadonlyMap<string, string>;
  /** The open row; null: none. */
  readonly rowNumber: number | null;
  readonly last: number;
  readonly onGo: (rowNumber: number) => void;
  readonly onClose: () => void;
}

/** One row in full: its errors, its values, and its history before repairs. */
export function RowDrawer({ process, mapping, rowNumber, last, onGo, onClose }: RowDrawerProps) {
  const processId = process.info?.processId ?? "";
  const row = useQuery({ ...rowQuery(processId, rowNumber ?? 0), enabled: rowNumber !== null });
  return (
    <Drawer
      opened={rowNumber !== null}
      onClose={onClose}
      size="lg"
      title={`Row ${formatCount(rowNumber ?? 0)}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {rowNumber !== null && (
        <>
          <div className={classes.steps}>
            <ActionIcon
              variant="default"
              aria-label="Previous row"
              disabled={rowNumber <= 1}
              onClick={() => onGo(rowNumber - 1)}
            >
              <IconChevronLeft size={16} aria-hidden />
            </ActionIcon>
            <ActionIcon
              variant="default"
              aria-label="Next row"
              disabled={rowNumber >= last}
              onClick={() => onGo(rowNumber + 1)}
            >
              <IconChevronRight size={16} aria-hidden />
            </ActionIcon>
            {row.data && <RowStateBadge state={row.data.state} />}
            {row.data && (
              <span className="muted">
                {toNumber(row.data.lineNumber) > 0 ? `line ${formatCount(row.data.lineNumber)} · ` : ""}
                batch {formatCount(row.data.batchNumber)}
              </span>
            )}
          </div>
          {row.isError ? (
            <ErrorState error={row.error} onRetry={() => void row.refetch()} />
          ) : row.data ? (
            <Detail row={row.data} process={process} mapping={mapping} />
          ) : (
            <LoadingState label="Loading the row" />
          )}
        </>
      )}
    </Drawer>
  );
}

interface DetailProps {
  readonly row: Row;
  readonly process: Process;
  readonly mapping: ReadonlyMap<string, string>;
}

function Detail({ row, process, mapping }: DetailProps) {
  const repairs = process.info?.repairsProcessId ?? "";
  return (
    <div className={classes.detail}>
      {row.errors.length > 0 && (
        <section aria-label="Errors">
          <h3>{row.state === RowState.SKIPPED ? "Why it was skipped" : "Why it was rejected"}</h3>
          <ErrorList errors={row.errors} />
        </section>
      )}
      {row.state === RowState.SUCCEEDED && (
        <Suspense fallback={null}>
          <LoadedValues processId={process.info?.processId ?? ""} rowNumber={toNumber(row.rowNumber)} />
        </Suspense>
      )}
      {row.state === RowState.QUEUED && <p>This row was read and is waiting to be loaded.</p>}
      {row.state === RowState.UNPROCESSED && <p>The process ended before this row was processed.</p>}
      {repairs !== "" && toNumber(row.repairsRow) > 0 && (
        <p>
          Repairs row{" "}
          <Link
            to="/processes/$processId"
            params={{ processId: repairs }}
            search={{ tab: "rows", row: toNumber(row.repairsRow) }}
          >
            {formatCount(row.repairsRow)} of the repaired process
          </Link>
          .
        </p>
      )}
      {row.cells.length > 0 && (
        <section aria-label="Values">
          <h3>Values in the file</h3>
          <Cells cells={row.cells} errors={row.errors} columns={process.columns} mapping={mapping} />
        </section>
      )}
      {row.history.length > 0 && (
        <section aria-label="History">
          <h3>Before repairs</h3>
          <ol className={classes.history}>
            {row.history.map((version) => (
              <Version
                key={`${version.repairProcessId} ${toDate(version.replaceTime)?.getTime()}`}
                version={version}
                process={process}
                mapping={mapping}
              />
            ))}
          </ol>
        </section>
      )}
    </div>
  );
}

const PHASES: Readonly<Partial<Record<ErrorPhase, string>>> = {
  [ErrorPhase.PARSE]: "while reading the record",
  [ErrorPhase.VALIDATE]: "by validation",
  [ErrorPhase.LOAD]: "by the table",
};

function ErrorList({ errors }: { readonly errors: readonly RowError[] }) {
  return (
    <ul className={classes.errors}>
      {errors.map((error) => (
        <li key={`${error.code} ${error.field} ${error.message}`}>
          <p>
            {error.field !== "" && !error.message.startsWith(`${error.field}:`) && (
              <strong className={classes.field}>{error.field}: </strong>
            )}
            {error.message}
          </p>
          {error.value !== "" && <p className={classes.value}>{error.value}</p>}
          <p className={classes.code}>
            {codeWords(error.code)} · {error.code}
            {PHASES[error.phase] ? ` · found ${PHASES[error.phase]}` : ""}
          </p>
        </li>
      ))}
    </ul>
  );
}

interface CellsProps {
  readonly cells: readonly string[];
  readonly errors: readonly RowError[];
  readonly columns: readonly string[];
  readonly mapping: ReadonlyMap<string, string>;
}

function Cells({ cells, errors, columns, mapping }: CellsProps) {
  const byCell = errorsByCell(errors, columns, mapping);
  return (
    <dl className={classes.cells}>
      {cells.map((value, index) => {
        const label = columns[index] ?? `column ${index + 1}`;
        const problems = byCell.get(index);
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: labels may be alike, and cells never move.
          <div key={`${index} ${label}`} className={problems ? classes.badCell : undefined}>
            <dt>{label}</dt>
            <dd>
              {value === "" ? <span className="muted">empty</span> : value}
              {problems?.map((problem) => (
                <p key={problem.message} className={classes.message}>
                  {problem.message}
                </p>
              ))}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

interface VersionProps {
  readonly version: RowVersion;
  readonly process: Process;
  readonly mapping: ReadonlyMap<string, string>;
}

function Version({ version, process, mapping }: VersionProps) {
  const time = toDate(version.replaceTime);
  return (
    <li>
      <p>
        Replaced {time && <time dateTime={time.toISOString()}>{formatTime(time)}</time>} by{" "}
        <Link to="/processes/$processId" params={{ processId: version.repairProcessId }}>
          a repair
        </Link>
        . Its errors were:
      </p>
      <ErrorList errors={version.errors} />
      {version.cells.length > 0 && (
        <details>
          <summary>Values at that time</summary>
          <Cells cells={version.cells} errors={version.errors} columns={process.columns} mapping={mapping} />
        </details>
      )}
    </li>
  );
}
