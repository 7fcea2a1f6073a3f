import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

const PROBE_BYTES = 1024 * 1024;

/** The parts of a File that a fingerprint needs. */
interface FingerprintedFile {
  readonly name: string;
  readonly size: number;
  readonly lastModified: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/**
 * Identifies a file when it is chosen again: a hash of its name, size, time, and first and last MiB. Hex, 64
 * characters. Reads at most 2 MiB.
 */
export async function fingerprintOf(file: FingerprintedFile): Promise<string> {
  const first = await file.slice(0, Math.min(PROBE_BYTES, file.size)).arrayBuffer();
  const last = await file.slice(Math.max(0, file.size - PROBE_BYTES), file.size).arrayBuffer();
  const facts = JSON.stringify([file.name, file.size, file.lastModified]);
  return bytesToHex(
    sha256
      .create()
      .update(new TextEncoder().encode(facts))
      .update(new Uint8Array(first))
      .update(new Uint8Array(last))
      .digest(),
  );
}
