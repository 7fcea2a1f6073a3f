/**
 * Hashes one file slice by slice, so that memory use stays flat. One worker per file; terminate it to stop.
 */
import { sha256 } from "@noble/hashes/sha2.js";

export type HashAnswer =
  | { readonly kind: "progress"; readonly bytes: number }
  | { readonly kind: "done"; readonly digest: Uint8Array<ArrayBuffer> }
  | { readonly kind: "failed"; readonly message: string };

const SLICE = 2 * 1024 * 1024;

const answer = (message: HashAnswer) => globalThis.postMessage(message);

globalThis.onmessage = async ({ data: file }: MessageEvent<File>) => {
  try {
    const hash = sha256.create();
    let reported = performance.now();
    for (let start = 0; start < file.size; start += SLICE) {
      hash.update(new Uint8Array(await file.slice(start, start + SLICE).arrayBuffer()));
      if (performance.now() - reported > 200) {
        reported = performance.now();
        answer({ kind: "progress", bytes: Math.min(start + SLICE, file.size) });
      }
    }
    answer({ kind: "done", digest: new Uint8Array(hash.digest()) });
  } catch (error) {
    answer({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
};
