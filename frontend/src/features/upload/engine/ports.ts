/** What an upload needs from outside; browser.ts implements it, and tests have fakes. */
import type { Client } from "@connectrpc/connect";
import type { UploadService } from "@/api/contract";

/** The calls of the upload service that send a file. */
export type UploadCalls = Pick<
  Client<typeof UploadService>,
  "createUpload" | "writeChunk" | "getUpload" | "completeUpload" | "abortUpload"
>;

/** What is remembered of an upload, so that it can resume after a reload and is recognised later. */
export interface UploadRecord {
  readonly fingerprint: string;
  readonly requestId: string;
  readonly uploadId: string;
  readonly fileName: string;
  readonly size: number;
  /** Bytes that the server had stored when this was written. */
  readonly committed: number;
  /** Milliseconds of the epoch. */
  readonly updated: number;
  /** The repaired process; "" when the file is not a repair file. */
  readonly repairs: string;
  /** The process that the upload started; "" until it is complete. */
  readonly processId: string;
  /** The handle that reopens the file, in browsers that have one. */
  readonly handle: FileSystemFileHandle | null;
}

/** Keeps records across reloads. A lost record only costs a new upload, so no method throws. */
export interface UploadMemory {
  get(fingerprint: string): Promise<UploadRecord | null>;
  put(record: UploadRecord): Promise<void>;
  remove(fingerprint: string): Promise<void>;
  list(): Promise<readonly UploadRecord[]>;
}

/** The file can no longer be read: it was changed, moved or deleted since it was chosen. */
export class FileChangedError extends Error {}

/** A piece of a file with its checksum. */
export interface ReadPiece {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly crc32c: number;
}

export interface UploadPorts {
  readonly calls: UploadCalls;
  readonly memory: UploadMemory;
  /** Reads bytes of a file off the main thread. Throws FileChangedError. */
  readPiece(file: File, start: number, end: number): Promise<ReadPiece>;
  /** SHA-256 of a whole file in constant memory; throws FileChangedError. `onProgress` gets the bytes hashed so far. */
  hash(
    file: File,
    signal: AbortSignal,
    onProgress: (bytes: number) => void,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** Runs `task` once no other tab holds the name; calls `onWait` if one does. */
  exclusively(
    name: string,
    signal: AbortSignal,
    onWait: () => void,
    task: () => Promise<void>,
  ): Promise<void>;
  /** Waits; returns early when aborted. */
  pause(milliseconds: number, signal: AbortSignal): Promise<void>;
  now(): number;
  newId(): string;
}
