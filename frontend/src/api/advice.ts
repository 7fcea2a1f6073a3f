/** What a person can do about an error: looked up by the server's reason, else by the gRPC code. */
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
    title: "Process not found",
    advice: "The link may be out of date, or the process was deleted. Look for it in the list of processes.",
  },
  ROW_NOT_FOUND: {
    title: "Row not found",
    advice: "Check the row number. If the file is still being read, the row may not have been reached yet.",
  },
  UPLOAD_NOT_FOUND: {
    title: "Upload not found",
    advice: "Uploads left untouched for a week are removed. Upload the file again.",
  },
  PIPELINE_NOT_FOUND: {
    title: "Pipeline not found",
    advice: "It may have been deleted. Choose another one, or save it again: its versions are kept.",
  },
  INVALID_PIPELINE: {
    title: "The pipeline is not valid",
    advice: "Correct the marked entries and save again. Nothing was saved.",
  },
  INVALID_FILTER: { title: "The filter is not valid", advice: "Correct or clear the filter." },
  INVALID_DIALECT: {
    title: "The file cannot be read with these settings",
    advice: "Correct the marked settings under “How the file is read”.",
  },
  INVALID_PAGE_TOKEN: { title: "This list is out of date", advice: "Reload the list from the start." },
  FILE_TOO_LARGE: {
    title: "The file is too large",
    advice: "Compress it (gzip, zstd, zip), split it, or ask your administrator to raise the limit.",
  },
  FILE_TOO_COMPLEX: {
    title: "The file is too complex to convert",
    advice: "Save it as CSV and upload that.",
  },
  STORE_FULL: {
    title: "Storage is full",
    advice: "Delete old processes to free space, or ask your administrator, then resume.",
  },
  UNSUPPORTED_FILE_TYPE: {
    title: "This file type is not supported",
    advice: "Upload CSV, TSV, JSON, JSON Lines, an Excel workbook (.xlsx) or Parquet, plain or compressed.",
  },
  FORMAT_MISMATCH: { title: "The content does not match the declared format", advice: DIALECT },
  FORMAT_UNKNOWN: { title: "The format was not recognised", advice: DIALECT },
  FILE_EMPTY: { title: "The file is empty", advice: "Choose a file with a header and at least one row." },
  HEADER_UNREADABLE: { title: "The header cannot be read", advice: DIALECT },
  HEADER_MISMATCH: {
    title: "Columns are missing",
    advice: "Match the file's columns to the pipeline's fields, or correct the file's header.",
  },
  DUPLICATE_LABEL: { title: "Two columns have the same name", advice: "Rename one of them in the file." },
  BLANK_LABEL: { title: "A column has no name", advice: "Give it a name in the file." },
  EXTRA_LABEL: {
    title: "The file has unexpected columns",
    advice: "Remove them, or set the pipeline to ignore extra columns.",
  },
  SHEET_NOT_FOUND: { title: "The workbook has no such sheet", advice: "Choose another sheet." },
  JSON_INVALID: { title: "This is not valid JSON", advice: UNREADABLE },
  XLSX_INVALID: { title: "The workbook cannot be read", advice: UNREADABLE },
  PARQUET_INVALID: { title: "The Parquet file cannot be read", advice: UNREADABLE },
  COMPRESSION_DAMAGED: { title: "The compressed file is damaged", advice: UNREADABLE },
  EXPANDS_TOO_FAR: {
    title: "The compressed file is too large when unpacked",
    advice: "Upload it uncompressed, or split it.",
  },
  ARCHIVE_UNSUITABLE: {
    title: "The archive does not hold exactly one file",
    advice: "Put a single table into the archive.",
  },
  SIZE_MISMATCH: {
    title: "The file has changed",
    advice: "Its size is not the one announced at the start. Upload it again.",
  },
  HASH_MISMATCH: {
    title: "The file arrived damaged",
    advice:
      "It changed while it was being sent, or was damaged on the way. Nothing was loaded; upload it again.",
  },
  CHECKSUM_MISMATCH: {
    title: "A piece was damaged on the way",
    advice: "The page sends it again automatically.",
  },
  WRONG_OFFSET: {
    title: "The upload has moved on",
    advice: "Another tab may be sending the same file. Resume to continue.",
  },
  UPLOAD_COMPLETED: { title: "The upload is already complete", advice: "Open its process." },
  REQUEST_ID_REUSED: {
    title: "This upload belongs to another file",
    advice: "Discard the upload and send the file again.",
  },
  ILLEGAL_TRANSITION: {
    title: "This is no longer possible",
    advice: "The process has changed state in the meantime. Check its current state.",
  },
  PROCESS_RUNNING: {
    title: "The process is still running",
    advice: "Wait for it to end, or cancel it first.",
  },
  NOTHING_TO_REPAIR: { title: "Nothing to repair", advice: "The process has no failed rows." },
  NOTHING_TO_RETRY: {
    title: "Nothing to retry",
    advice:
      "Its rows failed because of their values. Correct them in the report and upload it as a repair file.",
  },
  FILE_GONE: { title: "The file is no longer stored", advice: "Upload the file again." },
  RECORDS_EXPIRED: {
    title: "The records were removed",
    advice: "Only the counts and the error summary are kept.",
  },
  UNDO_IMPOSSIBLE: { title: "This cannot be undone", advice: "Correct the table directly." },
  REPAIR: { title: "This process is a repair", advice: "Undo the repaired process instead." },
  QUOTA_EXCEEDED: {
    title: "Your tenant has used up a quota",
    advice: "Ask your administrator if you need more.",
  },
  TOKEN_EXPIRED: {
    title: "Your sign-in ended meanwhile",
    advice: "It has been renewed. Try again.",
  },
  ROLE_MISSING: {
    title: "Your role does not allow this",
    advice: "Ask an administrator of your tenant for the role, then reload the page.",
  },
  NOT_A_MEMBER: {
    title: "You are not a member",
    advice: "Ask an administrator of the tenant to add you, then try again.",
  },
  TENANT_NOT_CHOSEN: { title: "Choose a tenant", advice: "You are a member of several. Reload the page." },
  KEY_NOT_FOUND: { title: "Key not found", advice: "It may be another tenant's. Reload the list." },
  TENANT_NOT_FOUND: { title: "Tenant not found", advice: "It may have been removed. Reload the list." },
  TOO_MANY_COLUMNS: { title: "Too many columns", advice: "Choose another format, such as CSV." },
  DEPENDENCY_UNAVAILABLE: {
    title: "Part of the suite is down",
    advice: "Nothing is lost. Try again in a moment.",
  },
  SHUTTING_DOWN: {
    title: "The service is restarting",
    advice: "Nothing is lost. It resumes by itself in a moment.",
  },
};

const BY_CODE: Partial<Record<Code, Advice>> = {
  [Code.Unavailable]: {
    title: "The service is not responding",
    advice: "Nothing is lost. The page keeps trying and resumes by itself.",
  },
  [Code.DeadlineExceeded]: { title: "This took too long", advice: "Try again in a moment." },
  [Code.InvalidArgument]: {
    title: "The request is not valid",
    advice: "Correct what is marked and try again.",
  },
  [Code.NotFound]: { title: "Not found", advice: "It may have been removed. Go back to the list." },
  [Code.Unauthenticated]: {
    title: "You are not signed in",
    advice: "Try again. If the problem persists, sign out and sign in again.",
  },
  [Code.PermissionDenied]: { title: "Not allowed", advice: "Ask an administrator of your tenant." },
  [Code.Unimplemented]: {
    title: "The server does not support this",
    advice: "The page is newer than the suite. Update the suite, then reload.",
  },
  [Code.ResourceExhausted]: {
    title: "A limit was reached",
    advice: "Try again later, or send less at once.",
  },
  [Code.FailedPrecondition]: {
    title: "Not possible right now",
    advice: "Check the current state and try again.",
  },
  [Code.Aborted]: { title: "The operation was interrupted", advice: "Try again." },
  [Code.Canceled]: { title: "Cancelled", advice: "Start it again if you still need it." },
  [Code.DataLoss]: { title: "Data was damaged", advice: "Upload the file again." },
};

const ELSE: Advice = {
  title: "Something went wrong",
  advice: "Try again. If the problem persists, send the code below to your administrator.",
};

export function adviceFor(reason: string, code: Code): Advice {
  return BY_REASON[reason] ?? BY_CODE[code] ?? ELSE;
}
