/** Saves a report of a process as a file. */
import { statusClient } from "@/api/clients";
import { type Process, ReportFormat, type ReportRows } from "@/api/contract";
import { currentSession } from "@/api/session";
import { openSink } from "@/lib/save-file";
import { type ReportProgress, receive, reportName } from "./download";

export interface ReportKind {
  readonly value: string;
  readonly label: string;
  readonly format: ReportFormat;
  readonly type: string;
  readonly extension: string;
  readonly hint: string;
}

export const EXCEL: ReportKind = {
  value: "xlsx",
  label: "Excel",
  format: ReportFormat.XLSX,
  type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  extension: ".xlsx",
  hint: "A workbook in which the wrong cells are coloured, with the reason as a note. All cells are text, so that opening it changes nothing.",
};

export const FORMATS: readonly [ReportKind, ...ReportKind[]] = [
  {
    value: "csv",
    label: "CSV",
    format: ReportFormat.CSV,
    type: "text/csv",
    extension: ".csv",
    hint: "Opens in a spreadsheet. Cells that it would run as formulas are escaped; a repair removes the escape.",
  },
  EXCEL,
  {
    value: "jsonl",
    label: "JSON Lines",
    format: ReportFormat.JSONL,
    type: "application/jsonl",
    extension: ".jsonl",
    hint: "One object per row, with all its errors. For programs.",
  },
];

/** Asks where to save, then writes the report there; null when the person chose no place. */
export async function saveReport(
  process: Process,
  { format, type, extension }: ReportKind,
  chosen: { readonly value: string; readonly rows: ReportRows },
  signal: AbortSignal,
  onProgress: (progress: ReportProgress) => void,
): Promise<ReportProgress | null> {
  const sink = await openSink(
    reportName(process.info?.fileName ?? "", chosen.value, extension),
    type,
    extension,
  );
  if (sink === null) return null;
  await currentSession().signIn?.freshen();
  const request = { processId: process.info?.processId ?? "", format, rows: chosen.rows };
  const pieces = statusClient.downloadReport(request, { signal });
  onProgress({ bytes: 0, rows: null });
  return receive(pieces, sink, onProgress);
}
