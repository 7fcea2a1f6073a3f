import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import { uploadClient } from "@/api/clients";
import { type Process, UploadService } from "@/api/contract";
import { Panel } from "@/components/Panel";
import { StateBadge } from "@/components/StateBadge";
import { TimeAgo } from "@/components/TimeAgo";
import { RoleNeeded, useMay } from "@/features/access";
import { DropZone, UploadLine, useUploads } from "@/features/upload";
import { formatCount, plural } from "@/lib/format";
import { toDate, toNumber } from "@/lib/proto";
import { canRepair } from "../actions/actions";
import { repairsQuery } from "../queries";
import { DownloadFailed } from "./DownloadFailed";
import classes from "./Repair.module.css";
import { lackingColumns, lackingWords, REPORT_DIALECT } from "./report-check";

const NO_REPORT = "This is no report of this process";

/** Takes a repair file, and shows the repairs of a process with their results. */
export function RepairPanel({ process }: { readonly process: Process }) {
  const processId = process.info?.processId ?? "";
  const repairs = useQuery(repairsQuery(processId));
  const { uploads, start } = useUploads();
  const own = uploads.filter((upload) => upload.repairs === processId);
  const { refetch } = repairs;
  const completed = own.filter(({ phase }) => phase === "completed").length;
  useEffect(() => {
    if (completed > 0) void refetch();
  }, [completed, refetch]);
  const check = async (uploadId: string, signal: AbortSignal) => {
    const found = await uploadClient.inspectUpload(
      { uploadId, dialectJson: REPORT_DIALECT, sampleRows: 1 },
      { signal },
    );
    const lacking = lackingColumns(
      found.columns.map(({ name }) => name),
      process.columns,
    );
    return lacking.length === 0 ? null : { title: NO_REPORT, happened: lackingWords(lacking) };
  };
  const possible = canRepair(process);
  const mayRepair = useMay(UploadService.method.completeUpload);
  const known = repairs.data ?? [];
  if (!possible && known.length === 0 && own.length === 0) return null;
  const failed = plural(toNumber(process.counts?.failed), "failed row");
  const unlisted = own.filter(
    ({ phase, processId: repair }) =>
      phase !== "completed" || !known.some((one) => one.info?.processId === repair),
  );
  return (
    <div className={classes.panel}>
      <Panel title={possible ? "Repair failed rows" : "Repairs"}>
        {possible && !mayRepair && (
          <RoleNeeded to="To send a repair file" method={UploadService.method.completeUpload} />
        )}
        {possible && <DownloadFailed process={process} />}
        {possible && mayRepair && (
          <DropZone
            compact
            multiple={false}
            label="Repair file"
            title="Drop the repair file here"
            hint={`Correct the ${failed} and drop the file here. Only these rows are loaded, under their own row numbers. Leave the columns that start with “_” unchanged, but correct a row that could not be split in “_value”.`}
            onFiles={([given]) =>
              given && start(given.file, { handle: given.handle, repairs: processId, check })
            }
          />
        )}
        {unlisted.length > 0 && (
          <ul className={classes.uploads}>
            {unlisted.map((upload) => (
              <UploadLine key={upload.key} upload={upload} />
            ))}
          </ul>
        )}
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
