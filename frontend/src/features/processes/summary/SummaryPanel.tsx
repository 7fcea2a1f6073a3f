import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { type Process, ProcessState } from "@/api/contract";
import { Panel } from "@/components/Panel";
import { TimeAgo } from "@/components/TimeAgo";
import { formatBytes, formatCount, formatDuration, formatShare } from "@/lib/format";
import { toDate, toNumber } from "@/lib/proto";
import { isTerminal } from "@/lib/states";
import { CountsBar, partsOf } from "./CountsBar";
import { costWords } from "./cost";
import { dialectWords } from "./dialect";
import { currentRate, durationOf, expectedRows, rowsDone, type Sample, timeLeft } from "./progress";
import classes from "./Summary.module.css";

const TableFact = lazy(() => import("../loaded/TableFact").then(({ TableFact }) => ({ default: TableFact })));

/** Rows by outcome, progress, and facts about the process. */
export function SummaryPanel({
  process,
  samples,
}: {
  readonly process: Process;
  readonly samples: readonly Sample[];
}) {
  const read = toNumber(process.counts?.read);
  return (
    <Panel title="Rows">
      <dl className={classes.numbers}>
        <div className={classes.number}>
          <dt>Read</dt>
          <dd>{formatCount(read)}</dd>
        </div>
        {partsOf(process)
          .filter(({ key }) => key !== "queued")
          .map(({ key, label, count }) => (
            <div key={key} className={`${classes.number} ${count === 0 ? classes.zero : ""}`}>
              <dt>
                <span className={classes.dot} data-part={key} aria-hidden />
                {label}
              </dt>
              <dd>
                {formatCount(count)}
                {read > 0 && count > 0 && <span className={classes.share}>{formatShare(count, read)}</span>}
              </dd>
            </div>
          ))}
      </dl>
      <CountsBar process={process} large />
      {!isTerminal(process.state) && <Progress process={process} samples={samples} />}
      <Facts process={process} />
      {toNumber(process.counts?.succeeded) > 0 && (
        <div className={classes.table}>
          <Suspense fallback={null}>
            <TableFact process={process} />
          </Suspense>
        </div>
      )}
    </Panel>
  );
}

/** Progress; not a live region, because it changes all the time. */
function Progress({ process, samples }: { readonly process: Process; readonly samples: readonly Sample[] }) {
  const now = useNow(1_000);
  const paused = process.state === ProcessState.PAUSED;
  const expected = expectedRows(process);
  const left = paused ? null : timeLeft(process, currentRate(samples, now));
  const known = toNumber(process.bytesDispatched) >= toNumber(process.contentBytes);
  return (
    <p className={classes.progress}>
      {expected === null
        ? "The first rows are being read."
        : `${formatShare(rowsDone(process), expected)} of ${known ? "" : "about "}${formatCount(expected)} rows`}
      {left !== null && ` · ${formatDuration(left)} left`}
      {paused && " · paused until someone resumes it"}
    </p>
  );
}

function Facts({ process }: { readonly process: Process }) {
  const now = useNow(isTerminal(process.state) ? null : 1_000);
  const { info } = process;
  const begun = toDate(process.createTime);
  const ended = toDate(process.endTime);
  const expires = toDate(process.expireTime);
  const dialect = dialectWords(process.dialectJson);
  return (
    <dl className={classes.facts}>
      <Fact label="Pipeline">
        {info?.pipeline ? (
          <Link
            to="/pipelines/$name"
            params={{ name: info.pipeline }}
            search={{ version: info.pipelineVersion || undefined }}
          >
            {info.pipeline} @{info.pipelineVersion}
          </Link>
        ) : (
          "None (JSON rows)"
        )}
      </Fact>
      <Fact label="File size">{formatBytes(info?.sizeBytes ?? 0n)}</Fact>
      {dialect !== "" && <Fact label="Format">{dialect}</Fact>}
      <Fact label="Batches done">
        {formatCount(process.batchesProcessed)} of {formatCount(process.batchesDispatched)} sent
      </Fact>
      {begun && (
        <Fact label="Started">
          <TimeAgo time={begun} />
        </Fact>
      )}
      <Fact label={ended === null ? "Running for" : "Duration"}>
        {formatDuration(durationOf(process, now))}
      </Fact>
      {process.cost && <Fact label="Queue and storage on AWS">{costWords(process.cost)}</Fact>}
      {expires && !process.expired && (
        <Fact label="File and rows stored until">
          <time dateTime={expires.toISOString()}>
            {expires.toLocaleDateString("en-GB", { dateStyle: "medium" })}
          </time>
        </Fact>
      )}
    </dl>
  );
}

function Fact({ label, children }: { readonly label: string; readonly children: React.ReactNode }) {
  return (
    <div className={classes.fact}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** The current time, updated every `everyMs`; null: never updated. */
export function useNow(everyMs: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (everyMs === null) return;
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
