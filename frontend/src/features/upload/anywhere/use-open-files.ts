import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { GivenFile } from "../files";
import { uploadActions, useUpload } from "../use-uploads";

/** Sends files. A single one goes straight to mapping while it is being sent. */
export function useOpenFiles(): (files: readonly GivenFile[]) => void {
  const navigate = useNavigate();
  const [alone, setAlone] = useState<string | null>(null);
  const given = useUpload(alone);

  const uploadId = given?.phase === "sending" || given?.phase === "sent" ? given.uploadId : "";
  useEffect(() => {
    if (uploadId === "") return;
    setAlone(null);
    void navigate({ to: "/upload/$uploadId", params: { uploadId } });
  }, [uploadId, navigate]);

  return (files) => {
    const keys = files.map(({ file, handle }) => uploadActions.start(file, { handle }));
    setAlone(keys.length === 1 ? (keys[0] ?? null) : null);
  };
}
