/** Collects what a verification says. */
import type { Disagreement, Verification, VerifyProcessResponse } from "@/api/contract";
import { toNumber } from "@/lib/proto";

export interface Verified {
  readonly result: Verification;
  readonly disagreements: readonly Disagreement[];
  /** The bytes of the receipt, in order. */
  readonly receipt: readonly Uint8Array<ArrayBuffer>[];
}

export interface Progress {
  readonly verified: number;
  readonly rows: number;
}

/** Reads a verification to its end. Throws when the stream ends without a result. */
export async function receiveVerification(
  messages: AsyncIterable<VerifyProcessResponse>,
  onProgress: (progress: Progress) => void,
): Promise<Verified> {
  const disagreements: Disagreement[] = [];
  const receipt: Uint8Array<ArrayBuffer>[] = [];
  for await (const message of messages) {
    disagreements.push(...message.disagreements);
    if (message.receipt.length > 0) receipt.push(message.receipt as Uint8Array<ArrayBuffer>);
    if (message.result !== undefined) return { result: message.result, disagreements, receipt };
    onProgress({ verified: toNumber(message.rowsVerified), rows: toNumber(message.rows) });
  }
  throw new Error("The verification ended without a result.");
}

/** The name under which the receipt of a file is saved. */
export function receiptName(fileName: string): string {
  return `${fileName.replace(/\.[^.]*$/, "") || "process"}-receipt.json`;
}
