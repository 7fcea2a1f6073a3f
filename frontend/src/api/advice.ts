/** What a person can do about an error: looked up by the server's reason, else by the gRPC code. */
import { Code } from "@connectrpc/connect";

interface Advice {
  readonly title: string;
  readonly advice: string;
}

const UNREADABLE = "Check that this is the right file and that it is not damaged, then upload it again.";
const DIALECT =
  "Change how the file is read (format, delimiter, encoding), or save the file as CSV in UTF-8.";

const BUSY: Advice = {
  title: "The suite is busy",
  advice: "Nothing was done. Try again in a moment.",
};
const TOO_COMPLEX: Advice = {
  title: "The check took too much time or memory",
  advice: "Simplify the pipeline's expressions, patterns and JSON Schemas. Nothing was saved.",
};
const NOT_VALID: Advice = {
  title: "The request is not valid",
  advice: "Correct what is marked and try again.",
};
const DEFECT: Advice = {
  title: "The suite made a mistake",
  advice: "Send the code below to your administrator. Nothing was loaded twice.",
};
const BY_ITSELF: Advice = {
  title: "A part of the suite is busy or restarting",
  advice: "Nothing is lost. It resumes by itself in a moment.",
};
const SIGN_IN: Advice = {
  title: "Your sign-in is not accepted",
  advice: "Sign out and sign in again. If the problem persists, send the code below to your administrator.",
};

/** Holds a line for every reason of docs/reference/error-codes.md (a test compares them). */
export const BY_REASON: Readonly<Record<string, Advice>> = {
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
    title: "The process changed meanwhile",
    advice: "Nothing was done. The page shows its state as it is now.",
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
  HEADER_TOO_LONG: {
    title: "The header has no end",
    advice: "Look for a quote in the first line that is never closed.",
  },
  JSON_PATH_UNKNOWN: {
    title: "It is not clear where the rows are",
    advice: "Enter the path of the array with the rows under “How the file is read”.",
  },
  FILE_UNREADABLE: { title: "The file cannot be read", advice: UNREADABLE },
  DELIVERY_FAILED: {
    title: "The file could not be read or passed on",
    advice: "It was tried five times. Ask your administrator to look into the log of the upload service.",
  },
  NOT_A_REPORT: {
    title: "This is no report of this process",
    advice: "Download the report of this process, correct it and drop it here. Keep all its columns.",
  },
  TOO_MANY_ERRORS: {
    title: "Too many rows failed",
    advice: "Correct the file, or allow more failed rows in the pipeline's policy.",
  },
  INVALID_ARGUMENT: NOT_VALID,
  READ_TOO_LONG: { title: "Searching took too long", advice: "Narrow the filter, or choose a shorter time." },
  TOO_MANY_READS: BUSY,
  NO_RECORD_YET: { title: "Nothing to look at yet", advice: "Wait until more of the file is sent." },
  INSPECTION_FAILED: BUSY,
  PROCESSOR_UNAVAILABLE: {
    title: "The check of the rows is not available",
    advice: "No processor runs at the moment. You can start all the same; the rows wait for one.",
  },
  CONVERSION_NEEDED: DEFECT,
  TOO_MANY_DRY_RUNS: BUSY,
  TOO_MANY_VERIFICATIONS: BUSY,
  PROCESS_CHANGED: {
    title: "The process was changed meanwhile",
    advice: "Verify it again.",
  },
  NO_RECEIPT_KEY: {
    title: "Receipts are not signed",
    advice: "Ask your administrator to set a key for receipts.",
  },
  DRY_RUN_IDLE: BUSY,
  DRY_RUN_TOO_LONG: TOO_COMPLEX,
  DRY_RUN_TOO_COMPLEX: TOO_COMPLEX,
  PIPELINE_TOO_COMPLEX: TOO_COMPLEX,
  PROCESS_DELETED: { title: "The process was deleted", advice: "Go back to the list of processes." },
  TABLE_NOT_FOUND: {
    title: "There is no such table",
    advice: "Check its name and schema, or ask your administrator for the right to use it.",
  },
  TABLE_FORBIDDEN: {
    title: "The suite may not use this table",
    advice: "Send the message above to your administrator: it says what to allow.",
  },
  TOO_MANY_CALLS: BUSY,
  TOO_MANY_UNKNOWN_KEYS: {
    title: "Too many unknown keys came from your address",
    advice: "Correct the key, and try again in a few minutes.",
  },
  NEWER_RELEASE: {
    title: "The suite is being upgraded",
    advice: "Nothing is lost. Try again when the upgrade is complete.",
  },
  TOKEN_MISSING: SIGN_IN,
  TOKEN_INVALID: SIGN_IN,
  KEY_INVALID: {
    title: "The API key is not valid",
    advice: "It is unknown, revoked or expired. Ask an administrator of your tenant for another one.",
  },
  TENANT_UNKNOWN: { title: "Your tenant was removed", advice: "Ask your administrator." },
  PIPELINE_NOT_ALLOWED: {
    title: "The API key is for other pipelines",
    advice: "Choose one of its pipelines, or use another key.",
  },
  TOO_MANY_KEYS: { title: "There are too many API keys", advice: "Revoke those that nobody uses." },
  TOO_MANY_MEMBERS: { title: "There are too many members", advice: "Remove those who need no access." },
  LAST_ADMIN: {
    title: "The tenant needs an admin",
    advice: "Make another member an admin first.",
  },
  METHOD_CLOSED: DEFECT,
  CONTENT_UNKNOWN: BY_ITSELF,
  CONVERTER_CRASHED: {
    title: "Reading the file failed",
    advice: "Try again. If the problem persists, save the file as CSV and upload that.",
  },
  CONVERTER_STOPPING: BY_ITSELF,
  FILE_MISSING: {
    title: "The stored file is missing",
    advice: "Upload the file again, and tell your administrator.",
  },
  INGESTION_BUSY: BY_ITSELF,
  INGESTION_PAUSED: BY_ITSELF,
  STREAM_INCOMPLETE: BY_ITSELF,
  BATCH_CONFLICT: DEFECT,
  OUTCOME_MISMATCH: DEFECT,
  REPAIRS_A_REPAIR: DEFECT,
  CERTIFICATE_OF_ANOTHER: DEFECT,
  DEPENDENCY_UNAVAILABLE: BY_ITSELF,
  SHUTTING_DOWN: BY_ITSELF,
};

const BY_CODE: Partial<Record<Code, Advice>> = {
  [Code.Unavailable]: {
    title: "The service is not responding",
    advice: "Nothing is lost. The page keeps trying and resumes by itself.",
  },
  [Code.DeadlineExceeded]: { title: "This took too long", advice: "Try again in a moment." },
  [Code.InvalidArgument]: NOT_VALID,
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
