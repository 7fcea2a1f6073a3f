import { Button } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { type Process, ReportRows } from "@/api/contract";
import { ErrorState } from "@/components/ErrorState";
import { plural } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import { EXCEL, saveReport } from "../report/save";
import classes from "./Repair.module.css";

const FAILED = { value: "failed", rows: ReportRows.FAILED };

/** Downloads the failed rows as a workbook, with the wrong cells marked. */
export function DownloadFailed({ process }: { readonly process: Process }) {
  const download = useMutation({
    mutationFn: () => saveReport(process, EXCEL, FAILED, new AbortController().signal, () => undefined),
  });
  return (
    <div className={classes.download}>
      <Button
        leftSection={<IconDownload size={16} stroke={1.75} aria-hidden />}
        loading={download.isPending}
        onClick={() => download.mutate()}
      >
        Download {plural(toNumber(process.counts?.failed), "failed row")}
      </Button>
      <p className="muted">
        An Excel workbook: the wrong cells are coloured, each with its reason as a note.
      </p>
      {download.isError && <ErrorState error={download.error} inline />}
    </div>
  );
}
