/** What other features may import. */
export type { UploadSnapshot } from "./engine/task";
export { useUpload, useUploads } from "./use-uploads";
