/** What other features may import. */

export { DropZone } from "./DropZone";
export { UploadLine } from "./UploadLine";
export { useUploads } from "./use-uploads";
