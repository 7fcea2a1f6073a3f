import { useMemo, useSyncExternalStore } from "react";
import { uploadCenter } from "./engine/center";
import type { UploadSnapshot } from "./engine/task";

/**
 * The uploads of this page and what can be done with them.
 *
 * `start(file, { repairs: processId })` sends a corrected report: it is completed by itself, and its
 * snapshot's `processId` is the process that runs the corrected rows.
 */
export function useUploads() {
  const uploads = useSyncExternalStore(uploadCenter.subscribe, uploadCenter.list);
  return useMemo(
    () => ({
      uploads,
      start: uploadCenter.start.bind(uploadCenter),
      pause: uploadCenter.pause.bind(uploadCenter),
      resume: uploadCenter.resume.bind(uploadCenter),
      cancel: uploadCenter.cancel.bind(uploadCenter),
      complete: uploadCenter.complete.bind(uploadCenter),
      dismiss: uploadCenter.dismiss.bind(uploadCenter),
    }),
    [uploads],
  );
}

/** One upload by its key. */
export function useUpload(key: string | null): UploadSnapshot | null {
  const { uploads } = useUploads();
  return uploads.find((upload) => upload.key === key) ?? null;
}
