/** The browser's implementation of the ports of an upload. */
import { createClient } from "@connectrpc/connect";
import { UploadService } from "@/api/contract";
import { currentSession, sessionScope } from "@/api/session";
import { createPageTransport } from "@/api/transport";
import { pause } from "@/api/use-server-stream";
import type { HashAnswer } from "../hashing/hash.worker";
import type { PieceAnswer, PieceQuestion } from "../hashing/piece.worker";
import { openMemory } from "./memory";
import { FileChangedError, type ReadPiece, type UploadPorts } from "./ports";

/** Why a worker that reads the file did not start. */
function noWorker(what: string): Error {
  return new Error(`The worker that ${what} the file did not start.`);
}

class PieceReader {
  private worker: Worker | null = null;
  private readonly waiting = new Map<
    number,
    { resolve: (piece: ReadPiece) => void; reject: (error: Error) => void }
  >();
  private nextId = 1;

  read(file: File, start: number, end: number): Promise<ReadPiece> {
    this.worker ??= this.start();
    const id = this.nextId++;
    const question: PieceQuestion = { id, file, start, end };
    const worker = this.worker;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      worker.postMessage(question);
    });
  }

  private start(): Worker {
    const worker = new Worker(new URL("../hashing/piece.worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data: answer }: MessageEvent<PieceAnswer>) => {
      const asked = this.waiting.get(answer.id);
      this.waiting.delete(answer.id);
      if ("message" in answer) asked?.reject(new FileChangedError(answer.message));
      else asked?.resolve({ data: new Uint8Array(answer.data), crc32c: answer.crc32c });
    };
    worker.onerror = () => {
      for (const { reject } of this.waiting.values()) reject(noWorker("reads"));
      this.waiting.clear();
      this.worker = null;
    };
    return worker;
  }
}

function hash(
  file: File,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const worker = new Worker(new URL("../hashing/hash.worker.ts", import.meta.url), { type: "module" });
  const done = new Promise<Uint8Array<ArrayBuffer>>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    worker.onerror = () => reject(noWorker("hashes"));
    worker.onmessage = ({ data: answer }: MessageEvent<HashAnswer>) => {
      if (answer.kind === "progress") onProgress(answer.bytes);
      else if (answer.kind === "failed") reject(new FileChangedError(answer.message));
      else {
        onProgress(file.size);
        resolve(answer.digest);
      }
    };
    worker.postMessage(file);
  });
  return done.finally(() => worker.terminate());
}

/** Web Locks, where available (not on http:// pages of other machines): they make tabs take turns. */
async function exclusively(
  name: string,
  signal: AbortSignal,
  onWait: () => void,
  task: () => Promise<void>,
): Promise<void> {
  const locks: LockManager | undefined = navigator.locks;
  if (locks === undefined) return task();
  const ran = await locks.request(name, { ifAvailable: true }, async (lock) => {
    if (lock === null) return false;
    await task();
    return true;
  });
  if (ran) return;
  onWait();
  await locks.request(name, { signal }, task);
}

/** Ports for the uploads of the tenant that is chosen now; they stay in it when another one is chosen. */
export function browserPorts(): UploadPorts {
  const session = currentSession();
  const scope = sessionScope(session);
  const reader = new PieceReader();
  return {
    calls: createClient(UploadService, createPageTransport({ tenant: session.tenant })),
    memory: openMemory(scope),
    readPiece: (file, start, end) => reader.read(file, start, end),
    hash,
    exclusively: (name, ...rest) => exclusively(`${name} ${scope}`, ...rest),
    pause,
    now: () => Date.now(),
    newId: () =>
      [...crypto.getRandomValues(new Uint8Array(16))]
        .map((byte) => byte.toString(16).padStart(2, "0"))
        .join(""),
  };
}
