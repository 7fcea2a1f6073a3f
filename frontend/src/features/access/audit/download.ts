/** The audit log as JSON lines. */
import { toJson } from "@bufbuild/protobuf";
import { type AuditRecord, AuditRecordSchema, type ListAuditRecordsResponse } from "@/api/contract";
import type { FileSink } from "@/lib/save-file";
import { roleLabel } from "../roles/roles";

/** Records as JSON, one per line, as `ingestor audit --json` writes them. */
export function asLines(records: readonly AuditRecord[]): string {
  return records.map((record) => `${JSON.stringify(asObject(record))}\n`).join("");
}

function asObject(record: AuditRecord): object {
  const json = toJson(AuditRecordSchema, record, { useProtoFieldName: true, alwaysEmitImplicit: true });
  const roles = record.roles.map((role) => roleLabel(role).toUpperCase());
  return { ...(json as object), sequence: Number(record.sequence), roles };
}

/** Writes every page, newest record first; resolves with the number of records. */
export async function receiveAudit(
  page: (pageToken: string) => Promise<ListAuditRecordsResponse>,
  sink: FileSink,
  onProgress: (records: number) => void,
): Promise<number> {
  const encoder = new TextEncoder();
  let count = 0;
  try {
    let pageToken = "";
    do {
      const { records, nextPageToken } = await page(pageToken);
      await sink.write(encoder.encode(asLines(records)));
      count += records.length;
      onProgress(count);
      pageToken = nextPageToken;
    } while (pageToken !== "");
    await sink.close();
    return count;
  } catch (error) {
    await sink.abort().catch(() => undefined);
    throw error;
  }
}
