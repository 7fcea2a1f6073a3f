/** Downloads a report: streamed to disk where the browser allows it, else kept in memory until complete. */
import type { DownloadReportResponse } from "@/api/contract";

/** Where the bytes go. */
export interface ReportSink {
  write(data: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The file is complete. */
  close(): Promise<void>;
  /** The file will never be complete. */
  abort(): Promise<void>;
}

export interface ReportProgress {
  readonly bytes: number;
  /** Rows of the file; known at its end. */
  readonly rows: number | null;
}

/** Writes the chunks to the sink in order; resolves with what was written. */
export async function receive(
  pieces: AsyncIterable<DownloadReportResponse>,
  sink: ReportSink,
  onProgress: (progress: ReportProgress) => void,
): Promise<ReportProgress> {
  let bytes = 0;
  let rows: number | null = null;
  try {
    for await (const piece of pieces) {
      if (piece.data.length > 0) await sink.write(piece.data as Uint8Array<ArrayBuffer>);
      bytes += piece.data.length;
      if (piece.rowCount !== undefined) rows = Number(piece.rowCount);
      onProgress({ bytes, rows });
    }
    // The last message holds the row count: without it, the report was cut off.
    if (rows === null) throw new Error("The report ended too early. Download it again.");
    await sink.close();
    return { bytes, rows };
  } catch (error) {
    await sink.abort().catch(() => undefined);
    throw error;
  }
}

/** Keeps the chunks and passes them to the browser's downloads at the end. */
function blobSink(fileName: string, type: string): ReportSink {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  return {
    async write(data) {
      parts.push(data);
    },
    async close() {
      const url = URL.createObjectURL(new Blob(parts, { type }));
      const link = document.createElement("a");
      link.href = url;
      link.download = fileName;
      link.click();
      // By then the browser has started to read it.
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    },
    async abort() {
      parts.length = 0;
    },
  };
}

interface SavePicker {
  showSaveFilePicker?: (options: {
    suggestedName: string;
    types: { description: string; accept: Record<string, string[]> }[];
  }) => Promise<FileSystemFileHandle>;
}

/**
 * Asks where to save and streams to that file, so that memory use stays flat. Browsers without such a dialog
 * get a blob. Null: the person closed the dialog.
 */
export async function openSink(
  fileName: string,
  type: string,
  extension: string,
): Promise<ReportSink | null> {
  const { showSaveFilePicker } = globalThis as SavePicker;
  if (showSaveFilePicker === undefined) return blobSink(fileName, type);
  let file: FileSystemFileHandle;
  try {
    file = await showSaveFilePicker.call(globalThis, {
      suggestedName: fileName,
      types: [{ description: "Report", accept: { [type]: [extension] } }],
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    return blobSink(fileName, type);
  }
  const stream = await file.createWritable();
  return {
    write: (data) => stream.write(data),
    close: () => stream.close(),
    abort: () => stream.abort(),
  };
}

/** "customers.csv" → "customers-rejected.xlsx". */
export function reportName(fileName: string, rows: string, extension: string): string {
  const stem = fileName.replace(/(\.(gz|zst|zip))?$/i, "").replace(/\.[A-Za-z0-9]{1,8}$/, "");
  return `${stem === "" ? "report" : stem}-${rows}${extension}`;
}
