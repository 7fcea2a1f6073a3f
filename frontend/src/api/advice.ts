/** What a person can do about an error, by the server's reason, else by the gRPC code. */
import { Code } from "@connectrpc/connect";

interface Advice {
  readonly title: string;
  readonly advice: string;
}

const UNREADABLE = "Check that this is the right file and that it is not damaged, then upload it again.";
const DIALECT =
  "Change how the file is read (format, delimiter, encoding), or save the file as CSV in UTF-8.";

const BY_REASON: Readonly<Record<string, Advice>> = {
  PROCESS_NOT_FOUND: {
    title: "There is no such process",
    advice: "The link may be old, or the process was deleted. Look for it in the list of processes.",
  },
  ROW_NOT_FOUND: {
    title: "There is no such row",
    advice: "Check the number. While the file is still being read, the row may not have been reached yet.",
  },
  UPLOAD_NOT_FOUND: {
    title: "The upload is gone",
    advice: "Uploads that nobody touches for a week are removed. Send the file again.",
  },
  PIPELINE_NOT_FOUND: {
    title: "There is no such pipeline",
    advice: "It may have been deleted. Choose another one, or apply it again: its versions are kept.",
  },
  INVALID_PIPELINE: {
    title: "The pipeline is not valid",
    advice: "Correct the marked places and save again. Nothing was stored.",
  },
  INVALID_FILTER: { title: "The filter is not valid", advice: "Correct the filter, or clear it." },
  INVALID_DIALECT: {
    title: "The file cannot be read like this",
    advice: "Correct the marked settings of how the file is read.",
  },
  INVALID_PAGE_TOKEN: { title: "The page has gone stale", advice: "Reload the list from its beginning." },
  FILE_TOO_LARGE: {
    title: "The file is too large",
    advice: "Compress it (gzip, zstd, zip), split it, or ask whoever runs the suite for a higher limit.",
  },
  FILE_TOO_COMPLEX: { title: "The file is too complex to convert", advice: "Save it as CSV and send that." },
  STORE_FULL: {
    title: "The store is full",
    advice: "Free some room (delete old processes) or ask whoever runs the suite, then resume.",
  },
  UNSUPPORTED_FILE_TYPE: {
    title: "This kind of file cannot be read",
    advice: "Send CSV, TSV, JSON, JSON Lines, an Excel workbook (.xlsx) or Parquet, plain or compressed.",
  },
  FORMAT_MISMATCH: { title: "The content is not what was declared", advice: DIALECT },
  FORMAT_UNKNOWN: { title: "The format was not recognised", advice: DIALECT },
  FILE_EMPTY: { title: "The file is empty", advice: "Choose a file with a header and at least one row." },
  HEADER_UNREADABLE: { title: "The header cannot be read", advice: DIALECT },
  HEADER_MISMATCH: {
    title: "Columns are missing",
    advice: "Match the columns of the file with the pipeline's fields, or correct the header of the file.",
  },
  DUPLICATE_LABEL: { title: "Two columns have the same name", advice: "Rename one of them in the file." },
  BLANK_LABEL: { title: "A column has no name", advice: "Name it in the file." },
  EXTRA_LABEL: {
    title: "The file has unexpected columns",
    advice: "Remove them, or let the pipeline ignore them.",
  },
  SHEET_NOT_FOUND: { title: "The workbook has no such sheet", advice: "Choose another sheet." },
  JSON_INVALID: { title: "This is not valid JSON", advice: UNREADABLE },
  XLSX_INVALID: { title: "The workbook cannot be read", advice: UNREADABLE },
  PARQUET_INVALID: { title: "The Parquet file cannot be read", advice: UNREADABLE },
  COMPRESSION_DAMAGED: { title: "The compressed file is damaged", advice: UNREADABLE },
  EXPANDS_TOO_FAR: { title: "The compressed file expands too far", advice: "Send it uncompressed or split." },
  ARCHIVE_UNSUITABLE: {
    title: "The archive holds not just one file",
    advice: "Put one table into the archive.",
  },
  SIZE_MISMATCH: {
    title: "The file has changed",
    advice: "It is not the size that was announced. Upload it again.",
  },
  HASH_MISMATCH: {
    title: "The file did not arrive as it was sent",
    advice:
      "It was changed while it was being sent, or damaged on the way. Nothing was loaded; upload it again.",
  },
  CHECKSUM_MISMATCH: { title: "A piece was damaged on the way", advice: "It is sent again by itself." },
  WRONG_OFFSET: {
    title: "The upload is elsewhere",
    advice: "Another tab may be sending the same file. Resume to go on.",
  },
  UPLOAD_COMPLETED: { title: "The upload is complete already", advice: "Open its process." },
  REQUEST_ID_REUSED: {
    title: "Another file has this upload",
    advice: "Remove the upload and send the file again.",
  },
  ILLEGAL_TRANSITION: {
    title: "This is not possible any more",
    advice: "The process has moved on in the meantime. Look at its state.",
  },
  PROCESS_RUNNING: {
    title: "The process has not ended yet",
    advice: "Wait until it has ended, or cancel it first.",
  },
  NOTHING_TO_REPAIR: { title: "There is nothing to repair", advice: "The process has no failed rows." },
  NOTHING_TO_RETRY: {
    title: "There is nothing to try again",
    advice: "Its rows failed for what they hold. Correct the report and drop it here instead.",
  },
  FILE_GONE: { title: "The file is not kept any more", advice: "Upload the file again." },
  RECORDS_EXPIRED: {
    title: "The records were removed",
    advice: "Only counts and the summary of errors are kept.",
  },
  UNDO_IMPOSSIBLE: { title: "This cannot be undone", advice: "Correct the table itself." },
  REPAIR: { title: "This process repairs another one", advice: "Undo the process that it repairs." },
  TOO_MANY_COLUMNS: { title: "There are too many columns", advice: "Choose another format, such as CSV." },
  DEPENDENCY_UNAVAILABLE: {
    title: "A part of the suite is down",
    advice: "Nothing is lost. Try again in a moment.",
  },
  SHUTTING_DOWN: {
    title: "The service is restarting",
    advice: "Nothing is lost. It goes on by itself in a moment.",
  },
};

const BY_CODE: Partial<Record<Code, Advice>> = {
  [Code.Unavailable]: {
    title: "The service does not answer",
    advice: "Nothing is lost. The page keeps trying and goes on by itself.",
  },
  [Code.DeadlineExceeded]: { title: "This took too long", advice: "Try again in a moment." },
  [Code.InvalidArgument]: { title: "This is not valid", advice: "Correct what is marked and try again." },
  [Code.NotFound]: { title: "Not found", advice: "It may have been removed. Go back to the list." },
  [Code.PermissionDenied]: { title: "This is not allowed", advice: "Ask whoever runs the suite." },
  [Code.Unimplemented]: {
    title: "The server does not know this",
    advice: "The page is newer than the suite. Update the suite, then reload.",
  },
  [Code.ResourceExhausted]: { title: "A limit is reached", advice: "Try again later, or with less." },
  [Code.FailedPrecondition]: {
    title: "This is not possible now",
    advice: "Look at the current state and try again.",
  },
  [Code.Aborted]: { title: "Something got in the way", advice: "Try again." },
  [Code.Canceled]: { title: "Cancelled", advice: "Start it again when you want to." },
  [Code.DataLoss]: { title: "Data was damaged", advice: "Upload the file again." },
};

const ELSE: Advice = {
  title: "Something went wrong",
  advice: "Try again. If it stays, give the code below to whoever runs the suite.",
};

export function adviceFor(reason: string, code: Code): Advice {
  return BY_REASON[reason] ?? BY_CODE[code] ?? ELSE;
}
