/** What other features may use of uploads. */
export type { UploadSnapshot } from "./engine/task";
export { useUpload, useUploads } from "./use-uploads";
