import { Button, Progress } from "@mantine/core";
import { IconFileUpload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type DragEvent, useEffect, useRef, useState } from "react";
import type { Process } from "@/api/contract";
import { Panel } from "@/components/Panel";
import { StateBadge } from "@/components/StateBadge";
import { TimeAgo } from "@/components/TimeAgo";
import { type UploadSnapshot, useUploads } from "@/features/upload";
import { formatByteRate, formatCount, formatShare, plural } from "@/lib/format";
import { toDate, toNumber } from "@/lib/proto";
import { canRepair } from "../actions/actions";
import { repairsQuery } from "../queries";
import classes from "./Repair.module.css";

/** Takes a repair file, and shows the repairs of a process with their results. */
export function RepairPanel({ process }: { readonly process: Process }) {
  const processId = process.info?.processId ?? "";
  const repairs = useQuery(repairsQuery(processId));
  const { uploads, start, cancel, resume, dismiss } = useUploads();
  const own = uploads.filter((upload) => upload.repairs === processId);
  const { refetch } = repairs;
  const completed = own.filter(({ phase }) => phase === "completed").length;
  useEffect(() => {
    if (completed > 0) void refetch();
  }, [completed, refetch]);
  const possible = canRepair(process);
  const known = repairs.data ?? [];
  if (!possible && known.length === 0 && own.length === 0) return null;
  return (
    <div className={classes.panel}>
      <Panel title={possible ? "Repair failed rows" : "Repairs"}>
        {possible && (
          <DropZone
            failed={toNumber(process.counts?.failed)}
            onFile={(file) => start(file, { repairs: processId })}
          />
        )}
        {own
          .filter(
            ({ phase, processId: repair }) =>
              phase !== "completed" || !known.some((one) => one.info?.processId === repair),
          )
          .map((upload) => (
            <Sending
              key={upload.key}
              upload={upload}
              onCancel={() => void cancel(upload.key)}
              onResume={() => resume(upload.key)}
              onDismiss={() => dismiss(upload.key)}
            />
          ))}
        {known.length > 0 && (
          <ul className={classes.repairs} aria-label="Repairs of this process">
            {known.map((repair) => (
              <Repair key={repair.info?.processId} repair={repair} />
            ))}
          </ul>
        )}
      </Panel>
    </div>
  );
}

function DropZone({ failed, onFile }: { readonly failed: number; readonly onFile: (file: File) => void }) {
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer.files[0];
    if (file !== undefined) onFile(file);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the button inside does the same for keyboards.
    <div
      className={classes.zone}
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <IconFileUpload size={26} stroke={1.5} aria-hidden />
      <div className={classes.words}>
        <p>
          <strong>
            Download the report, correct its {plural(failed, "failed row")}, and drop the repair file here.
          </strong>
        </p>
        <p className="muted">
          Only these rows are loaded, under their own row numbers. Leave the columns that start with “_”
          unchanged.
        </p>
      </div>
      <input
        ref={input}
        type="file"
        className="visually-hidden"
        tabIndex={-1}
        aria-label="Repair file"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = "";
          if (file !== undefined) onFile(file);
        }}
      />
      <Button variant="light" onClick={() => input.current?.click()}>
        Choose repair file
      </Button>
    </div>
  );
}

interface SendingProps {
  readonly upload: UploadSnapshot;
  readonly onCancel: () => void;
  readonly onResume: () => void;
  readonly onDismiss: () => void;
}

const ENDED: readonly UploadSnapshot["phase"][] = ["refused", "cancelled", "completed"];

function Sending({ upload, onCancel, onResume, onDismiss }: SendingProps) {
  const { phase, size, committed, problem } = upload;
  return (
    <div className={classes.sending}>
      <p>
        <strong>{upload.fileName}</strong>{" "}
        <span className="muted">
          {phase === "completed"
            ? "sent"
            : phase === "failed" || phase === "refused"
              ? "rejected"
              : phase === "completing" || phase === "sent"
                ? "starting"
                : `${formatShare(committed, size)} sent${upload.rate === null ? "" : `, ${formatByteRate(upload.rate)}`}`}
        </span>
      </p>
      {!ENDED.includes(phase) && (
        <Progress
          value={size > 0 ? (100 * committed) / size : 0}
          size="sm"
          aria-label={`Sending ${upload.fileName}`}
        />
      )}
      {problem !== null && (
        <p role="alert" className={classes.problem}>
          <strong>{problem.title}.</strong> {problem.happened} {problem.advice}{" "}
          <span className={classes.code}>{problem.code}</span>
        </p>
      )}
      <div className={classes.buttons}>
        {phase === "failed" && (
          <Button size="compact-sm" variant="default" onClick={onResume}>
            Try again
          </Button>
        )}
        {ENDED.includes(phase) ? (
          <Button size="compact-sm" variant="subtle" onClick={onDismiss}>
            Dismiss
          </Button>
        ) : (
          <Button size="compact-sm" variant="subtle" color="red" onClick={onCancel}>
            Cancel
          </Button>
        )}
      </div>
    </div>
  );
}

function Repair({ repair }: { readonly repair: Process }) {
  const begun = toDate(repair.createTime);
  const { counts } = repair;
  return (
    <li className={classes.repair}>
      <StateBadge state={repair.state} />
      <Link to="/processes/$processId" params={{ processId: repair.info?.processId ?? "" }}>
        {repair.info?.fileName}
      </Link>
      <span className="muted">
        {formatCount(counts?.succeeded ?? 0n)} repaired, {formatCount(counts?.failed ?? 0n)} failed,{" "}
        {formatCount(counts?.skipped ?? 0n)} skipped
      </span>
      {begun && (
        <span className={classes.when}>
          <TimeAgo time={begun} />
        </span>
      )}
    </li>
  );
}
