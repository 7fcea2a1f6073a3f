import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Panel } from "@/components/Panel";
import { TimeAgo } from "@/components/TimeAgo";
import { formatBytes } from "@/lib/format";
import { uploadCenter } from "./engine/center";
import type { UploadRecord } from "./engine/ports";
import { reopen } from "./files";
import { fingerprintOf } from "./hashing/fingerprint";
import { sentPercent } from "./phases";
import classes from "./UploadLine.module.css";
import { useUploads } from "./use-uploads";

/** Uploads that a reload or a closed tab interrupted; each resumes where it stopped. */
export function UnfinishedUploads() {
  const { uploads } = useUploads();
  const query = useQuery({
    queryKey: ["unfinished-uploads", uploads.map(({ uploadId }) => uploadId).join(" ")],
    queryFn: () => uploadCenter().unfinished(),
    staleTime: 0,
  });
  if (!query.data || query.data.length === 0) return null;
  return (
    <Panel title="Unfinished uploads" flush>
      <ul className={classes.list}>
        {query.data.map((record) => (
          <Unfinished key={record.fingerprint} record={record} />
        ))}
      </ul>
    </Panel>
  );
}

function Unfinished({ record }: { readonly record: UploadRecord }) {
  const uploads = useUploads();
  const queryClient = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [wrong, setWrong] = useState("");

  const resume = async (file: File) => {
    if ((await fingerprintOf(file)) !== record.fingerprint) {
      setWrong(
        `This is a different file, or ${record.fileName} has changed. To send it from the start, drop it above.`,
      );
      return;
    }
    uploads.start(file, { handle: record.handle, repairs: record.repairs });
  };
  const onContinue = async () => {
    setWrong("");
    const file = record.handle === null ? null : await reopen(record.handle);
    if (file === null) input.current?.click();
    else await resume(file);
  };
  const onRemove = async () => {
    await uploadCenter().forget(record);
    await queryClient.invalidateQueries({ queryKey: ["unfinished-uploads"] });
  };

  return (
    <li className={classes.line}>
      <div className={classes.text}>
        <div className={classes.name}>{record.fileName}</div>
        <div className={classes.phase}>
          {formatBytes(record.committed)} of {formatBytes(record.size)} sent (
          {Math.floor(sentPercent(record.committed, record.size))}%) ·{" "}
          <TimeAgo time={new Date(record.updated)} />
        </div>
        {wrong !== "" && (
          <p className={classes.problem} role="alert">
            {wrong}
          </p>
        )}
      </div>
      <div className={classes.actions}>
        <Button size="xs" variant="default" onClick={() => void onContinue()}>
          {record.handle === null ? "Choose file to resume" : "Resume"}
        </Button>
        <Button size="xs" variant="subtle" color="gray" onClick={() => void onRemove()}>
          Discard
        </Button>
        <input
          ref={input}
          type="file"
          className="visually-hidden"
          tabIndex={-1}
          aria-label={`Choose ${record.fileName} to resume`}
          onChange={(event) => {
            const file = event.target.files?.[0];
            event.target.value = "";
            if (file !== undefined) void resume(file);
          }}
        />
      </div>
    </li>
  );
}
