/** Downloads a report. */
import type { DownloadReportResponse } from "@/api/contract";
import type { FileSink } from "@/lib/save-file";

export interface ReportProgress {
  readonly bytes: number;
  /** Rows of the file; known at its end. */
  readonly rows: number | null;
}

/** Writes the chunks to the sink in order; resolves with what was written. */
export async function receive(
  pieces: AsyncIterable<DownloadReportResponse>,
  sink: FileSink,
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

/** "customers.csv" → "customers-rejected.xlsx". */
export function reportName(fileName: string, rows: string, extension: string): string {
  const stem = fileName.replace(/(\.(gz|zst|zip))?$/i, "").replace(/\.[A-Za-z0-9]{1,8}$/, "");
  return `${stem === "" ? "report" : stem}-${rows}${extension}`;
}
