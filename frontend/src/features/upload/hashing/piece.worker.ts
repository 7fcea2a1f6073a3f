/** Reads pieces of files and computes their checksums off the main thread. */
import { crc32c } from "./crc32c";

export interface PieceQuestion {
  readonly id: number;
  readonly file: File;
  readonly start: number;
  readonly end: number;
}

export type PieceAnswer =
  | { readonly id: number; readonly data: ArrayBuffer; readonly crc32c: number }
  | { readonly id: number; readonly message: string };

globalThis.onmessage = async ({ data: question }: MessageEvent<PieceQuestion>) => {
  const { id, file, start, end } = question;
  try {
    const data = await file.slice(start, end).arrayBuffer();
    if (data.byteLength !== end - start) throw new Error("The file has become shorter.");
    const answer: PieceAnswer = { id, data, crc32c: crc32c(new Uint8Array(data)) };
    globalThis.postMessage(answer, { transfer: [data] });
  } catch (error) {
    const answer: PieceAnswer = { id, message: error instanceof Error ? error.message : String(error) };
    globalThis.postMessage(answer);
  }
};
