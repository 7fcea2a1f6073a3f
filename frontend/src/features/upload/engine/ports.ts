/** What an upload needs from outside; the browser's ways are in browser.ts, the tests have their own. */
import type { Client } from "@connectrpc/connect";
import type { UploadService } from "@/api/contract";

/** The calls of the upload service that sending a file takes. */
export type UploadCalls = Pick<
  Client<typeof UploadService>,
  "createUpload" | "writeChunk" | "getUpload" | "completeUpload" | "abortUpload"
>;

/** What is remembered of an upload, so that it can go on after a reload, and is known when it comes again. */
export interface UploadRecord {
  readonly fingerprint: string;
  readonly requestId: string;
  readonly uploadId: string;
  readonly fileName: string;
  readonly size: number;
  /** Bytes known to be kept by the server when this was written. */
  readonly committed: number;
  /** Milliseconds of the epoch. */
  readonly updated: number;
  /** The process whose failed rows the file brings again; "" for a file of its own. */
  readonly repairs: string;
  /** The process that it became; "" while it has not ended. */
  readonly processId: string;
  /** By which the browser can open the file again, where it gives such a thing. */
  readonly handle: FileSystemFileHandle | null;
}

/** Keeps records over reloads. Losing one costs a new upload, nothing else: no method throws. */
export interface UploadMemory {
  get(fingerprint: string): Promise<UploadRecord | null>;
  put(record: UploadRecord): Promise<void>;
  remove(fingerprint: string): Promise<void>;
  list(): Promise<readonly UploadRecord[]>;
}

/** A piece of a file with its checksum. */
export interface ReadPiece {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly crc32c: number;
}

export interface UploadPorts {
  readonly calls: UploadCalls;
  readonly memory: UploadMemory;
  /** Reads bytes of a file, beside the page's own thread. Throws when the file has changed or gone. */
  readPiece(file: File, start: number, end: number): Promise<ReadPiece>;
  /** SHA-256 of a whole file in flat memory. `onProgress` gets the bytes done so far. */
  hash(
    file: File,
    signal: AbortSignal,
    onProgress: (bytes: number) => void,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** Runs `task` while no other tab holds the name; `onWait` is called when one does. */
  exclusively(
    name: string,
    signal: AbortSignal,
    onWait: () => void,
    task: () => Promise<void>,
  ): Promise<void>;
  /** Waits; sooner when aborted. */
  pause(milliseconds: number, signal: AbortSignal): Promise<void>;
  now(): number;
  newId(): string;
}
