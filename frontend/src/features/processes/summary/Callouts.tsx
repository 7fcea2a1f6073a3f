import { Code } from "@connectrpc/connect";
import { IconAlertTriangle, IconArrowBackUp, IconClockX, IconTool } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { adviceFor } from "@/api/advice";
import { type Process, ProcessState } from "@/api/contract";
import { formatCount, plural } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import classes from "./Summary.module.css";

/** What has to be said of a process before its numbers: why it failed, what it repairs, that it was undone. */
export function Callouts({ process }: { readonly process: Process }) {
  const repairs = process.info?.repairsProcessId ?? "";
  return (
    <>
      {process.state === ProcessState.FAILED && <Failure process={process} />}
      {process.state === ProcessState.UNDONE && process.undo !== undefined && (
        <div className={classes.callout} data-tone="neutral">
          <IconArrowBackUp size={18} stroke={1.75} aria-hidden />
          <p>
            <strong>This process was undone.</strong> Taken out of the table:{" "}
            {plural(process.undo.removed, "row")}. Set back to what they were before:{" "}
            {formatCount(process.undo.restored)}. Left alone, since changed afterwards:{" "}
            {formatCount(process.undo.kept)}. The numbers below say what the process had done.
          </p>
        </div>
      )}
      {process.expired && (
        <div className={classes.callout} data-tone="neutral">
          <IconClockX size={18} stroke={1.75} aria-hidden />
          <p>
            <strong>Its file and its single rows are not kept any more.</strong> Counts and the summary of
            errors are; what was loaded is still in the table.
          </p>
        </div>
      )}
      {repairs !== "" && (
        <div className={classes.callout} data-tone="neutral">
          <IconTool size={18} stroke={1.75} aria-hidden />
          <p>
            <strong>This process repairs another one.</strong> Its rows take the place of the failed rows of{" "}
            <Link to="/processes/$processId" params={{ processId: repairs }}>
              that process
            </Link>
            , whose counts they change.
          </p>
        </div>
      )}
    </>
  );
}

const TOO_MANY =
  "Look at the errors below. Correct the file, or allow more of them in the pipeline's policy.";

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
            ? `${plural(loaded, "row")} had been loaded before and are in the table; undo the process to take them out.`
            : "Nothing was loaded."}
        </p>
        {reason !== "" && <p className={classes.code}>{reason}</p>}
      </div>
    </div>
  );
}
