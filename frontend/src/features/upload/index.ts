/** What other features may import. */

export { DropAnywhere } from "./anywhere/DropAnywhere";
export { DropZone } from "./DropZone";
export { UploadLine } from "./UploadLine";
export { useUploads } from "./use-uploads";
