import { Button, Modal } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { accessClient } from "@/api/clients";
import { isCancelled } from "@/api/errors";
import { ErrorState } from "@/components/ErrorState";
import { plural } from "@/lib/format";
import { openSink } from "@/lib/save-file";
import type { AccessSearch } from "@/lib/search";
import classes from "../AccessPage.module.css";
import { receiveAudit } from "./download";
import { auditFilter } from "./filter";

type Status =
  | { readonly phase: "idle" }
  | { readonly phase: "running" | "done"; readonly records: number }
  | { readonly phase: "failed"; readonly error: unknown };

/** Saves the records that match the filter as JSON lines. */
export function DownloadAudit({ search }: { readonly search: AccessSearch }) {
  const [status, setStatus] = useState<Status>({ phase: "idle" });
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const download = async () => {
    const controller = new AbortController();
    running.current = controller;
    const { signal } = controller;
    try {
      const sink = await openSink("audit.jsonl", "application/jsonl", ".jsonl");
      if (sink === null) return;
      setStatus({ phase: "running", records: 0 });
      const filter = auditFilter(search);
      const records = await receiveAudit(
        (pageToken) => accessClient.listAuditRecords({ ...filter, pageSize: 1000, pageToken }, { signal }),
        sink,
        (count) => setStatus({ phase: "running", records: count }),
      );
      setStatus({ phase: "done", records });
    } catch (error) {
      setStatus(isCancelled(error) ? { phase: "idle" } : { phase: "failed", error });
    }
  };
  const close = () => {
    running.current?.abort();
    setStatus({ phase: "idle" });
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
            {status.phase === "running" && `${plural(status.records, "record")} so far`}
            {status.phase === "done" && `Done: ${plural(status.records, "record")}.`}
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
