import { Button, Modal } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { accessClient } from "@/api/clients";
import { useTask } from "@/api/use-task";
import { ErrorState } from "@/components/ErrorState";
import { plural } from "@/lib/format";
import { openSink } from "@/lib/save-file";
import type { AccessSearch } from "@/lib/search";
import classes from "../AccessPage.module.css";
import { receiveAudit } from "./download";
import { auditFilter } from "./filter";

/** Saves the records that match the filter as JSON lines. */
export function DownloadAudit({ search }: { readonly search: AccessSearch }) {
  const { status, run, stop, reset } = useTask<number, number>();

  const download = () =>
    run(async (signal, tell) => {
      const sink = await openSink("audit.jsonl", "application/jsonl", ".jsonl");
      if (sink === null) return null;
      tell(0);
      const filter = auditFilter(search);
      return receiveAudit(
        (pageToken) => accessClient.listAuditRecords({ ...filter, pageSize: 1000, pageToken }, { signal }),
        sink,
        tell,
      );
    });
  const close = () => {
    stop();
    reset();
  };
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={<IconDownload size={14} aria-hidden />}
        onClick={() => void download()}
      >
        Download
      </Button>
      <Modal
        opened={status.phase !== "idle"}
        onClose={close}
        title="Download audit log"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <div className={classes.form}>
          <div role="status">
            {status.phase === "running" && `${plural(status.progress, "record")} so far`}
            {status.phase === "done" && `Done: ${plural(status.result, "record")}.`}
          </div>
          {status.phase === "failed" && <ErrorState inline error={status.error} />}
          <div className={classes.buttons}>
            <Button variant="default" onClick={close}>
              {status.phase === "running" ? "Stop" : "Close"}
            </Button>
          </div>
        </div>
      </Modal>
    </>
  );
}
