import { Button, Modal, Radio, SegmentedControl } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useState } from "react";
import { type Process, ReportRows } from "@/api/contract";
import { useTask } from "@/api/use-task";
import { ErrorState } from "@/components/ErrorState";
import { formatBytes, formatCount, plural } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import { isTerminal } from "@/lib/states";
import type { ReportProgress } from "./download";
import classes from "./Report.module.css";
import { FORMATS, saveReport } from "./save";

interface Choice {
  readonly value: string;
  readonly label: string;
  readonly rows: ReportRows;
  readonly count: (process: Process) => number;
}

const CHOICES: readonly Choice[] = [
  {
    value: "rejected",
    label: "Rejected: failed and skipped",
    rows: ReportRows.REJECTED,
    count: ({ counts }) => toNumber(counts?.failed) + toNumber(counts?.skipped),
  },
  {
    value: "failed",
    label: "Failed",
    rows: ReportRows.FAILED,
    count: ({ counts }) => toNumber(counts?.failed),
  },
  {
    value: "skipped",
    label: "Skipped",
    rows: ReportRows.SKIPPED,
    count: ({ counts }) => toNumber(counts?.skipped),
  },
  {
    value: "succeeded",
    label: "Succeeded (row numbers only)",
    rows: ReportRows.SUCCEEDED,
    count: ({ counts }) => toNumber(counts?.succeeded),
  },
  {
    value: "unprocessed",
    label: "Unprocessed (row numbers only)",
    rows: ReportRows.UNPROCESSED,
    count: ({ counts }) => toNumber(counts?.unprocessed),
  },
  { value: "all", label: "All", rows: ReportRows.ALL, count: ({ counts }) => toNumber(counts?.read) },
];

interface ReportDialogProps {
  readonly opened: boolean;
  readonly process: Process;
  readonly onClose: () => void;
}

/** Asks for rows and file format, then writes the report. */
export function ReportDialog({ opened, process, onClose }: ReportDialogProps) {
  const [format, setFormat] = useState<string>("csv");
  const [rows, setRows] = useState("rejected");
  const { status, run, stop, reset } = useTask<ReportProgress, ReportProgress>();
  const chosenFormat = FORMATS.find(({ value }) => value === format) ?? FORMATS[0];
  const chosenRows = CHOICES.find(({ value }) => value === rows) ?? CHOICES[0];

  const download = async () => {
    if (chosenRows === undefined) return;
    await run((signal, tell) => saveReport(process, chosenFormat, chosenRows, signal, tell));
  };
  const close = () => {
    if (status.phase !== "running") reset();
    onClose();
  };
  return (
    <Modal
      opened={opened}
      onClose={close}
      title="Download report"
      closeButtonProps={{ "aria-label": "Close" }}
      size="md"
    >
      <div className={classes.form}>
        <Radio.Group label="Rows" value={rows} onChange={setRows}>
          <div className={classes.choices}>
            {CHOICES.map(({ value, label, count }) => (
              <Radio
                key={value}
                value={value}
                label={label}
                disabled={count(process) === 0}
                description={plural(count(process), "row")}
              />
            ))}
          </div>
        </Radio.Group>
        <div>
          <p className={classes.label} id="report-format">
            File format
          </p>
          <SegmentedControl
            fullWidth
            aria-labelledby="report-format"
            value={format}
            onChange={setFormat}
            data={FORMATS.map(({ value, label }) => ({ value, label }))}
          />
          <p className={classes.hint}>{chosenFormat.hint}</p>
        </div>
        {!isTerminal(process.state) && (
          <p className={classes.hint}>
            The process is still running: the file will hold the rows known so far.
          </p>
        )}
        <div role="status">
          {status.phase === "running" && <p>Written: {formatBytes(status.progress.bytes)} so far</p>}
          {status.phase === "done" && (
            <p>
              Done: {formatCount(status.result.rows ?? 0)} rows, {formatBytes(status.result.bytes)}.
            </p>
          )}
        </div>
        {status.phase === "failed" && <ErrorState error={status.error} inline />}
        <div className={classes.buttons}>
          {status.phase === "running" ? (
            <Button variant="default" onClick={stop}>
              Stop
            </Button>
          ) : (
            <Button variant="default" onClick={close}>
              Close
            </Button>
          )}
          <Button
            leftSection={<IconDownload size={16} aria-hidden />}
            loading={status.phase === "running"}
            disabled={chosenRows?.count(process) === 0}
            onClick={() => void download()}
          >
            Download
          </Button>
        </div>
      </div>
    </Modal>
  );
}
