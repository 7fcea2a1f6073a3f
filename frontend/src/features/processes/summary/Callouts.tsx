import { Code } from "@connectrpc/connect";
import {
  IconAlertTriangle,
  IconArrowBackUp,
  IconClockX,
  IconPlayerPause,
  IconTool,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { adviceFor } from "@/api/advice";
import { type Process, ProcessState } from "@/api/contract";
import { NoticeList } from "@/components/NoticeList";
import { formatCount, plural } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import classes from "./Summary.module.css";

/** Notices above the numbers of a process: why it failed, what it repairs, that it was undone. */
export function Callouts({ process }: { readonly process: Process }) {
  const repairs = process.info?.repairsProcessId ?? "";
  return (
    <>
      {process.state === ProcessState.FAILED && <Failure process={process} />}
      {process.state === ProcessState.UNDONE && process.undo !== undefined && (
        <div className={classes.callout} data-tone="neutral">
          <IconArrowBackUp size={18} stroke={1.75} aria-hidden />
          <p>
            <strong>This process was undone.</strong> Rows removed: {formatCount(process.undo.removed)},
            restored: {formatCount(process.undo.restored)}, left because they changed later:{" "}
            {formatCount(process.undo.kept)}. The numbers below are those before the undo.
          </p>
        </div>
      )}
      {process.state === ProcessState.PAUSED && process.pauseReason !== "" && (
        <div className={classes.callout} data-tone="bad" role="note" aria-label="Why it is paused">
          <IconPlayerPause size={18} stroke={1.75} aria-hidden />
          <p>
            <strong>This process paused by itself.</strong> {process.pauseReason} Nothing is lost
            {process.pauseResumes ? "." : ": resume it when this is solved."}
          </p>
        </div>
      )}
      {process.notices.length > 0 && (
        <div className={classes.callout} data-tone="neutral">
          <NoticeList notices={process.notices} />
        </div>
      )}
      {process.expired && (
        <div className={classes.callout} data-tone="neutral">
          <IconClockX size={18} stroke={1.75} aria-hidden />
          <p>
            <strong>The file and the individual rows are no longer stored.</strong> The counts and the error
            summary are kept, and loaded rows are still in the table.
          </p>
        </div>
      )}
      {repairs !== "" && (
        <div className={classes.callout} data-tone="neutral">
          <IconTool size={18} stroke={1.75} aria-hidden />
          <p>
            <strong>This process is a repair.</strong> Its rows replace failed rows of{" "}
            <Link to="/processes/$processId" params={{ processId: repairs }}>
              the repaired process
            </Link>{" "}
            and change its counts.
          </p>
        </div>
      )}
    </>
  );
}

const TOO_MANY =
  "Review the errors below. Correct the file, or allow more failed rows in the pipeline's policy.";

function Failure({ process }: { readonly process: Process }) {
  const reason = process.failure?.reason ?? "";
  const { title, advice } = adviceFor(reason, Code.Unknown);
  const tooMany = reason === "TOO_MANY_ERRORS";
  const loaded = toNumber(process.counts?.succeeded);
  return (
    <div className={classes.callout} data-tone="bad" role="note" aria-label="Why it failed">
      <IconAlertTriangle size={18} stroke={1.75} aria-hidden />
      <div>
        <p>
          <strong>{tooMany ? "Too many rows failed" : title}.</strong> {process.failure?.message}
        </p>
        <p>
          {tooMany ? TOO_MANY : advice}{" "}
          {loaded > 0
            ? `${plural(loaded, "row")} had already been loaded; undo the process to take them out.`
            : "Nothing was loaded."}
        </p>
        {reason !== "" && <p className={classes.code}>{reason}</p>}
      </div>
    </div>
  );
}
