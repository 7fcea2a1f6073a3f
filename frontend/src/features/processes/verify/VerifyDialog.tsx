import { Button, Modal, Progress as ProgressBar } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { processorClient } from "@/api/clients";
import type { Process } from "@/api/contract";
import { currentSession } from "@/api/session";
import { useTask } from "@/api/use-task";
import { ErrorState } from "@/components/ErrorState";
import { formatCount, plural } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import { openSink } from "@/lib/save-file";
import classes from "./Verify.module.css";
import { type Progress, receiptName, receiveVerification, type Verified } from "./verification";

/** Disagreements on the page; the receipt has more of them. */
const SHOWN = 50;

interface VerifyDialogProps {
  readonly opened: boolean;
  readonly process: Process;
  readonly onClose: () => void;
}

/** Says whether the stored file, the ledger and the table agree, and offers the receipt. */
export function VerifyDialog({ opened, process, onClose }: VerifyDialogProps) {
  const { status, run, stop } = useTask<Progress, Verified>();

  const verify = () =>
    run(async (signal, tell) => {
      tell({ verified: 0, rows: toNumber(process.counts?.read) });
      await currentSession().signIn?.freshen();
      const request = { processId: process.info?.processId ?? "" };
      return receiveVerification(processorClient.verifyProcess(request, { signal }), tell);
    });
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title="Verify this process"
      closeButtonProps={{ "aria-label": "Close" }}
      size="lg"
    >
      <div className={classes.form}>
        <p>
          Reads the stored file, the ledger and the rows in the table again, and says row by row whether they
          agree. Nothing is changed. The receipt proves the result to others.
        </p>
        <div role="status">
          {status.phase === "running" && (
            <>
              <p>
                {formatCount(status.progress.verified)} of {plural(status.progress.rows, "row")} verified
              </p>
              <ProgressBar
                aria-label="Rows verified"
                value={(100 * status.progress.verified) / Math.max(1, status.progress.rows)}
              />
            </>
          )}
          {status.phase === "done" && <Result found={status.result} />}
        </div>
        {status.phase === "failed" && <ErrorState error={status.error} inline />}
        <div className={classes.buttons}>
          {status.phase === "running" && (
            <Button variant="default" onClick={stop}>
              Stop
            </Button>
          )}
          {status.phase === "done" && (
            <Button
              variant="default"
              leftSection={<IconDownload size={16} stroke={1.75} aria-hidden />}
              onClick={() => void save(process, status.result)}
            >
              Receipt
            </Button>
          )}
          {status.phase !== "running" && (
            <Button onClick={() => void verify()}>
              {status.phase === "done" ? "Verify again" : "Verify process"}
            </Button>
          )}
        </div>
      </div>
    </Modal>
  );
}

function Result({ found: { result, disagreements } }: { readonly found: Verified }) {
  const count = toNumber(result.disagreementCount);
  const replaced = toNumber(result.rowsReplaced);
  const shown = disagreements.slice(0, SHOWN);
  return (
    <>
      <p className={result.agrees ? classes.agrees : classes.disagrees}>
        {result.agrees
          ? result.leftOut.length > 0
            ? "All that was compared agrees."
            : "File, ledger and table agree."
          : plural(count, "disagreement")}
      </p>
      <p>
        {plural(toNumber(result.rowsVerified), "row")} verified, {formatCount(toNumber(result.rowsInTable))}{" "}
        in the table
        {replaced > 0 && `, ${formatCount(replaced)} replaced by later rows with their keys`}.
      </p>
      {result.leftOut.map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
      {!result.signed && <p>The receipt is not signed: the suite has no key for receipts.</p>}
      {shown.length > 0 && (
        <ul className={classes.list} aria-label="Disagreements">
          {shown.map(({ rowNumber, batchNumber, message }) => (
            <li key={`${batchNumber} ${rowNumber} ${message}`}>{message}</li>
          ))}
        </ul>
      )}
      {count > shown.length && shown.length > 0 && (
        <p>{formatCount(count - shown.length)} more; the receipt has the first 1,000.</p>
      )}
    </>
  );
}

async function save(process: Process, found: Verified): Promise<void> {
  const sink = await openSink(receiptName(process.info?.fileName ?? ""), "application/json", ".json");
  if (sink === null) return;
  for (const piece of found.receipt) await sink.write(piece);
  await sink.close();
}
