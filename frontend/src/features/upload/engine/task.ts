/** The upload of one file: the state machine behind a line of the upload screen. */

import { backoff } from "@/api/connection";
import { type Upload, UploadState } from "@/api/contract";
import { describeError, factsOf, isTransient, type RowError, reasonOf } from "@/api/errors";
import { TRACEPARENT, Trace } from "@/api/interceptors/trace";
import { fingerprintOf } from "../hashing/fingerprint";
import { HEAD_BYTES, refuse } from "./checks";
import { FileChangedError, type ReadPiece, type UploadPorts, type UploadRecord } from "./ports";
import { RateMeter } from "./rate";

/**
 * preparing → (elsewhere: another tab sends the same file) → sending ⇄ paused | reconnecting → sent →
 * completing → completed; refused, failed (can be resumed) and cancelled end it early.
 */
export type UploadPhase =
  | "preparing"
  | "refused"
  | "elsewhere"
  | "sending"
  | "paused"
  | "reconnecting"
  | "sent"
  | "completing"
  | "completed"
  | "failed"
  | "cancelled";

export interface UploadSnapshot {
  /** Identifies the upload within this page. */
  readonly key: string;
  readonly fileName: string;
  readonly size: number;
  readonly phase: UploadPhase;
  /** Bytes that the server has stored for good; an upload resumes here. */
  readonly committed: number;
  /** Bytes that have arrived there: the last ones may still wait in its memory. */
  readonly received: number;
  /** Bytes hashed so far. */
  readonly hashed: number;
  /** Bytes per second; null while unknown. */
  readonly rate: number | null;
  /** Milliseconds until everything is sent; null while unknown. */
  readonly timeLeft: number | null;
  /** The server's upload, once it exists. */
  readonly uploadId: string;
  /** The offset at which an earlier upload resumed; else 0. */
  readonly resumedAt: number;
  /** The process, once the upload is completed. */
  readonly processId: string;
  /** The repaired process; "" when the file is not a repair file. */
  readonly repairs: string;
  /** The process of an earlier upload of the same file from this browser; else "". */
  readonly earlierProcessId: string;
  /** Why it was refused or failed, or why it is waiting. */
  readonly problem: RowError | null;
}

/** How an upload is completed. */
export interface Completion {
  /** "name" or "name@version"; "" loads JSON rows. */
  readonly pipeline: string;
  /** The declared dialect: a JSON object, or "". */
  readonly dialectJson: string;
}

/** Why a file is not taken. */
export interface Refusal {
  readonly title: string;
  readonly happened: string;
}

export interface UploadOptions {
  readonly repairs?: string;
  /** Looks at what was sent before it is completed: why it is refused, or null. */
  readonly check?: (uploadId: string, signal: AbortSignal) => Promise<Refusal | null>;
  readonly handle?: FileSystemFileHandle | null;
  /** Whether it completes by itself once it is sent. Repair files always do. */
  readonly completion?: Completion;
}

interface PieceAhead {
  readonly start: number;
  readonly end: number;
  readonly piece: Promise<ReadPiece>;
}

/** Here the server is to store what it has, whatever it would wait for: enough for a first look at the file. */
export const FIRST_COMMIT = 4 * 1024 * 1024;
const CANNOT = "This file cannot be uploaded";
const CALL_TIMEOUT_MS = 60_000;
const CHECKSUM_TRIES = 5;

export class UploadTask {
  readonly file: File;
  private readonly ports: UploadPorts;
  private readonly options: UploadOptions;
  private readonly onChange: () => void;
  private readonly stopped = new AbortController();
  private readonly meter = new RateMeter();
  private readonly trace = new Trace();
  private snapshot: UploadSnapshot;
  private record: UploadRecord | null = null;
  private chunkSize = 1024 * 1024;
  private ahead: PieceAhead | null = null;
  private digest: Promise<Uint8Array<ArrayBuffer>> | null = null;
  private resumeWanted: (() => void) | null = null;
  private pauseWanted = false;
  private completion: Completion | null;
  private completionWanted: (() => void) | null = null;

  constructor(key: string, file: File, options: UploadOptions, ports: UploadPorts, onChange: () => void) {
    this.file = file;
    this.ports = ports;
    this.options = options;
    this.onChange = onChange;
    this.completion = options.repairs ? { pipeline: "", dialectJson: "" } : (options.completion ?? null);
    this.snapshot = {
      key,
      fileName: file.name,
      size: file.size,
      phase: "preparing",
      committed: 0,
      received: 0,
      hashed: 0,
      rate: null,
      timeLeft: null,
      uploadId: "",
      resumedAt: 0,
      processId: "",
      repairs: options.repairs ?? "",
      earlierProcessId: "",
      problem: null,
    };
  }

  get state(): UploadSnapshot {
    return this.snapshot;
  }

  /** Runs to the end; never rejects. Call it once. */
  async run(): Promise<void> {
    try {
      const head = await this.file.slice(0, HEAD_BYTES).arrayBuffer();
      const refusal = refuse(this.file.size, new Uint8Array(head));
      if (refusal !== null) {
        this.change({ phase: "refused", problem: ownProblem(CANNOT, refusal) });
        return;
      }
      const fingerprint = await fingerprintOf(this.file);
      let waitedSince: number | null = null;
      await this.ports.exclusively(
        `ingestor-upload-${fingerprint}`,
        this.stopped.signal,
        () => {
          waitedSince = this.ports.now();
          this.change({ phase: "elsewhere" });
        },
        () => this.runAlone(fingerprint, waitedSince),
      );
    } catch (error) {
      if (!this.stopped.signal.aborted) this.change({ phase: "failed", problem: problemOf(error) });
    }
  }

  pause(): void {
    this.pauseWanted = true;
  }

  /** Resumes after a pause or a failure. */
  resume(): void {
    this.pauseWanted = false;
    this.resumeWanted?.();
  }

  /** Discards the upload, here and on the server. */
  async cancel(): Promise<void> {
    const { uploadId } = this.snapshot;
    this.stopped.abort();
    this.resumeWanted?.();
    this.completionWanted?.();
    this.change({ phase: "cancelled", problem: null });
    if (this.record !== null) await this.ports.memory.remove(this.record.fingerprint);
    if (uploadId !== "") await this.ports.calls.abortUpload({ uploadId }).catch(() => undefined);
  }

  /** Starts the ingestion: now if everything is sent, else as soon as it is. */
  complete(completion: Completion): void {
    this.completion = completion;
    if (this.snapshot.phase === "failed") this.resume();
    this.completionWanted?.();
  }

  private change(part: Partial<UploadSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...part };
    this.onChange();
  }

  private async runAlone(fingerprint: string, waitedSince: number | null): Promise<void> {
    while (!this.stopped.signal.aborted) {
      try {
        const upload = await this.open(fingerprint, waitedSince);
        if (upload === null) return;
        await this.send(fingerprint);
        if (!(await this.isRefused())) await this.finish();
        return;
      } catch (error) {
        if (this.stopped.signal.aborted) return;
        // Whatever the error, a person may resume: the server knows the offset.
        this.change({ phase: "failed", problem: problemOf(error), rate: null, timeLeft: null });
        await this.untilResumed();
      }
    }
  }

  /** Finds or creates the upload; null when another tab has completed it in the meantime. */
  private async open(fingerprint: string, waitedSince: number | null): Promise<Upload | null> {
    const known = this.record ?? (await this.ports.memory.get(fingerprint));
    const ended = known !== null && known.processId !== "";
    if (ended && waitedSince !== null && known.updated >= waitedSince) {
      const { uploadId, processId } = known;
      const { size } = this.file;
      this.change({ phase: "completed", uploadId, processId, committed: size, received: size });
      return null;
    }
    if (ended) this.change({ earlierProcessId: known.processId });
    const goesOn = known !== null && !ended && known.repairs === this.snapshot.repairs;
    let requestId = goesOn ? known.requestId : this.ports.newId();
    let upload = await this.create(requestId);
    if (upload.state !== UploadState.OPEN) {
      requestId = this.ports.newId();
      upload = await this.create(requestId);
    }
    this.chunkSize = upload.maxChunkSize > 0 ? upload.maxChunkSize : this.chunkSize;
    const committed = Number(upload.committedSize);
    this.record = {
      fingerprint,
      requestId,
      uploadId: upload.uploadId,
      fileName: this.file.name,
      size: this.file.size,
      committed,
      updated: this.ports.now(),
      repairs: this.snapshot.repairs,
      processId: "",
      handle: this.options.handle ?? known?.handle ?? null,
    };
    await this.ports.memory.put(this.record);
    this.digest ??= this.startHash();
    this.change({
      phase: "sending",
      problem: null,
      uploadId: upload.uploadId,
      committed,
      received: committed,
      resumedAt: this.snapshot.resumedAt || committed,
    });
    return upload;
  }

  private async create(requestId: string): Promise<Upload> {
    const request = { fileName: this.file.name, sizeBytes: BigInt(this.file.size), requestId };
    const { upload } = await this.persist(() => this.ports.calls.createUpload(request, this.callOptions()));
    if (upload === undefined) throw new Error("The server returned no upload. Try again.");
    return upload;
  }

  private startHash(): Promise<Uint8Array<ArrayBuffer>> {
    const digest = this.ports.hash(this.file, this.stopped.signal, (hashed) => this.change({ hashed }));
    // It may never be awaited; its failure must then not be unhandled.
    digest.catch(() => undefined);
    return digest;
  }

  private async send(fingerprint: string): Promise<void> {
    let badChecksums = 0;
    let noted = this.ports.now();
    this.meter.reset();
    while (this.snapshot.committed < this.file.size) {
      if (this.pauseWanted) await this.waitPaused();
      this.stopped.signal.throwIfAborted();
      const start = this.snapshot.received;
      const end = Math.min(start + this.chunkSize, this.file.size);
      const more = end < this.file.size && !(start < FIRST_COMMIT && end >= FIRST_COMMIT);
      const piece = await this.read(start, end);
      if (end < this.file.size) this.readAhead(end, Math.min(end + this.chunkSize, this.file.size));
      try {
        const answer = await this.ports.calls.writeChunk(
          {
            uploadId: this.snapshot.uploadId,
            chunk: { offset: BigInt(start), data: piece.data, crc32c: piece.crc32c },
            more,
          },
          this.callOptions(this.trace.piece()),
        );
        badChecksums = 0;
        // A server that lets nothing wait may not say what it has received.
        const committed = Number(answer.committedSize);
        this.advance(committed, Math.max(committed, Number(answer.receivedSize)));
      } catch (error) {
        this.stopped.signal.throwIfAborted();
        if (reasonOf(error) === "WRONG_OFFSET") {
          const committed = Number(factsOf(error).committed_size ?? (await this.committedSize()));
          this.change({ committed, received: committed });
        } else if (reasonOf(error) === "CHECKSUM_MISMATCH" && ++badChecksums < CHECKSUM_TRIES) {
          // Damaged on the way: send the same piece again.
        } else if (isTransient(error)) {
          await this.reconnect(error);
        } else {
          throw error;
        }
      }
      if (this.ports.now() - noted > 1_000) {
        noted = this.ports.now();
        await this.note(fingerprint);
      }
    }
    await this.note(fingerprint);
    this.change({ phase: "sent", rate: null, timeLeft: null, problem: null });
  }

  private read(start: number, end: number): Promise<ReadPiece> {
    const { ahead } = this;
    this.ahead = null;
    const found = ahead !== null && ahead.start === start && ahead.end === end;
    return found ? ahead.piece : this.ports.readPiece(this.file, start, end);
  }

  /** Reads the next piece while the one before it is sent. */
  private readAhead(start: number, end: number): void {
    const piece = this.ports.readPiece(this.file, start, end);
    // It may never be awaited; its failure must then not be unhandled.
    piece.catch(() => undefined);
    this.ahead = { start, end, piece };
  }

  private advance(committed: number, received: number): void {
    this.meter.add(this.ports.now(), received);
    const rate = this.meter.perSecond;
    const left = this.file.size - received;
    this.change({
      phase: "sending",
      problem: null,
      committed,
      received,
      rate,
      timeLeft: rate !== null && rate > 0 ? (left / rate) * 1000 : null,
    });
  }

  private async note(fingerprint: string): Promise<void> {
    if (this.record === null || this.record.fingerprint !== fingerprint) return;
    this.record = { ...this.record, committed: this.snapshot.committed, updated: this.ports.now() };
    await this.ports.memory.put(this.record);
  }

  private async waitPaused(): Promise<void> {
    this.change({ phase: "paused", rate: null, timeLeft: null });
    await this.untilResumed();
    this.stopped.signal.throwIfAborted();
    this.meter.reset();
    this.change({ phase: "sending" });
  }

  private async untilResumed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.resumeWanted = resolve;
    });
    this.resumeWanted = null;
  }

  /** The connection is lost: asks for the upload's offset until the server answers. */
  private async reconnect(error: unknown): Promise<void> {
    this.change({ phase: "reconnecting", problem: describeError(error), rate: null, timeLeft: null });
    const committed = await this.committedSize();
    this.meter.reset();
    this.change({ phase: "sending", problem: null, committed, received: committed });
  }

  private async committedSize(): Promise<number> {
    const { uploadId } = this.snapshot;
    const { upload } = await this.persist(() => this.ports.calls.getUpload({ uploadId }, this.callOptions()));
    return Number(upload?.committedSize ?? 0n);
  }

  /** Whether the check refuses the file; it is then removed from the server. */
  private async isRefused(): Promise<boolean> {
    const { check } = this.options;
    if (check === undefined) return false;
    const { uploadId } = this.snapshot;
    const refusal = await this.persist(() => check(uploadId, this.stopped.signal));
    if (refusal === null) return false;
    if (this.record !== null) await this.ports.memory.remove(this.record.fingerprint);
    await this.ports.calls.abortUpload({ uploadId }).catch(() => undefined);
    this.change({ phase: "refused", problem: ownProblem(refusal.title, refusal.happened) });
    return true;
  }

  private async finish(): Promise<void> {
    while (this.completion === null) {
      await new Promise<void>((resolve) => {
        this.completionWanted = resolve;
      });
      this.completionWanted = null;
      this.stopped.signal.throwIfAborted();
    }
    this.change({ phase: "completing", problem: null });
    const { pipeline, dialectJson } = this.completion;
    try {
      const sha256 = await (this.digest ?? this.startHash());
      const request = {
        uploadId: this.snapshot.uploadId,
        sha256,
        pipeline,
        dialectJson,
        repairsProcessId: this.snapshot.repairs,
      };
      const { processId } = await this.persist(() =>
        this.ports.calls.completeUpload(request, {
          signal: this.stopped.signal,
          headers: { [TRACEPARENT]: this.trace.call() },
        }),
      );
      if (this.record !== null) {
        await this.ports.memory.put({ ...this.record, processId, updated: this.ports.now(), handle: null });
        this.record = null;
      }
      this.change({ phase: "completed", processId, problem: null });
    } catch (error) {
      // The request was refused: the next attempt brings its own.
      if (!this.snapshot.repairs) this.completion = null;
      throw error;
    }
  }

  /** Repeats a call until the server answers. */
  private async persist<T>(call: () => Promise<T>): Promise<T> {
    const { phase } = this.snapshot;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await call();
      } catch (error) {
        if (this.stopped.signal.aborted || !isTransient(error)) throw error;
        this.change({ phase: "reconnecting", problem: describeError(error) });
        await this.ports.pause(backoff(attempt), this.stopped.signal);
        this.stopped.signal.throwIfAborted();
        this.change({ phase: phase === "reconnecting" ? "sending" : phase, problem: null });
      }
    }
  }

  private callOptions(traceparent = this.trace.call()) {
    const headers = { [TRACEPARENT]: traceparent };
    return { signal: this.stopped.signal, timeoutMs: CALL_TIMEOUT_MS, headers };
  }
}

function problemOf(error: unknown): RowError {
  if (!(error instanceof FileChangedError)) return describeError(error);
  const happened = "It was changed, moved or deleted, so the rest of it cannot be read. Nothing was loaded.";
  return ownProblem("The file changed while it was sent", happened, "Choose it again: it is then sent anew.");
}

function ownProblem(title: string, happened: string, advice = "Choose another file."): RowError {
  return {
    title,
    happened,
    advice,
    code: "",
    reason: "",
    metadata: {},
    violations: [],
    transient: false,
  };
}
