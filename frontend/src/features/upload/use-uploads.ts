import { useMemo, useSyncExternalStore } from "react";
import { uploadCenter } from "./engine/center";
import type { UploadSnapshot } from "./engine/task";

type Center = ReturnType<typeof uploadCenter>;

/** The actions on uploads; always the same object. */
export const uploadActions = {
  start: (...given: Parameters<Center["start"]>) => uploadCenter().start(...given),
  pause: (key: string) => uploadCenter().pause(key),
  resume: (key: string) => uploadCenter().resume(key),
  cancel: (key: string) => uploadCenter().cancel(key),
  complete: (...given: Parameters<Center["complete"]>) => uploadCenter().complete(...given),
  dismiss: (key: string) => uploadCenter().dismiss(key),
} as const;

/**
 * The uploads of this page and the actions on them.
 *
 * `start(file, { repairs: processId })` sends a repair file: the upload completes by itself, and its
 * snapshot's `processId` is the repair.
 */
export function useUploads() {
  const { subscribe, list } = uploadCenter();
  const uploads = useSyncExternalStore(subscribe, list);
  return useMemo(() => ({ uploads, ...uploadActions }), [uploads]);
}

/** One upload by its key. */
export function useUpload(key: string | null): UploadSnapshot | null {
  const { uploads } = useUploads();
  return uploads.find((upload) => upload.key === key) ?? null;
}

/**
 * The upload of this page with a server's upload id, as of its last change of phase or since `enough` bytes
 * were sent, so that a large screen does not render with every piece.
 */
export function useUploadOf(uploadId: string, enough: number): UploadSnapshot | null {
  const { subscribe, list } = uploadCenter();
  const find = () =>
    list().find((upload) => upload.uploadId === uploadId && upload.phase !== "cancelled") ?? null;
  const coarse = useSyncExternalStore(subscribe, () => {
    const upload = find();
    if (upload === null) return "";
    return [upload.key, upload.phase, upload.processId, upload.committed >= enough].join(" ");
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: `coarse` stands for what `find` reads.
  return useMemo(find, [coarse, uploadId]);
}
