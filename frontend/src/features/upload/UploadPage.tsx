import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { UploadService } from "@/api/contract";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { RoleNeeded, useMay } from "@/features/access";
import { DropZone } from "./DropZone";
import type { GivenFile } from "./files";
import { UnfinishedUploads } from "./UnfinishedUploads";
import { UploadLine } from "./UploadLine";
import line from "./UploadLine.module.css";
import classes from "./UploadPage.module.css";
import { useUpload, useUploads } from "./use-uploads";

export function UploadPage() {
  const { uploads, start } = useUploads();
  const navigate = useNavigate();
  const maySend = useMay(UploadService.method.createUpload);
  const [alone, setAlone] = useState<string | null>(null);
  const dropped = useUpload(alone);

  const onFiles = (files: readonly GivenFile[]) => {
    const keys = files.map(({ file, handle }) => start(file, { handle }));
    setAlone(keys.length === 1 ? (keys[0] ?? null) : null);
  };

  // A single file goes straight to mapping while it is being sent.
  const uploadId = dropped?.phase === "sending" || dropped?.phase === "sent" ? dropped.uploadId : "";
  useEffect(() => {
    if (uploadId !== "") void navigate({ to: "/upload/$uploadId", params: { uploadId } });
  }, [uploadId, navigate]);

  return (
    <>
      <PageHeader title="Upload">Upload a file, choose where its rows go, and follow every row.</PageHeader>
      <div className={classes.stack}>
        {maySend ? (
          <DropZone onFiles={onFiles} />
        ) : (
          <RoleNeeded to="To send files" method={UploadService.method.createUpload} />
        )}
        {uploads.length > 0 && (
          <Panel title="Uploads in this tab" flush>
            <ul className={line.list}>
              {uploads.map((upload) => (
                <UploadLine key={upload.key} upload={upload} />
              ))}
            </ul>
          </Panel>
        )}
        {maySend && <UnfinishedUploads />}
      </div>
    </>
  );
}
