/** Records of unfinished uploads in IndexedDB, which can also store the browser's handle of a file. */
import { objectStore } from "@/lib/object-store";
import type { UploadMemory, UploadRecord } from "./ports";

/** `scope`: keeps the records of people and tenants apart (api/session.ts). */
export function openMemory(scope: string): UploadMemory {
  const prefix = scope === "" ? "" : `${scope} `;
  const own = ({ fingerprint }: UploadRecord) =>
    prefix === "" ? !fingerprint.includes(" ") : fingerprint.startsWith(prefix);
  const bare = (record: UploadRecord) => ({
    ...record,
    fingerprint: record.fingerprint.slice(prefix.length),
  });
  const use = objectStore("ingestor", "uploads", "fingerprint");

  return {
    get: async (fingerprint) => {
      const key = prefix + fingerprint;
      const found = await use<UploadRecord | undefined>("readonly", (store) => store.get(key), undefined);
      return found === undefined ? null : bare(found);
    },
    put: async (record) => {
      const kept = { ...record, fingerprint: prefix + record.fingerprint };
      await use<IDBValidKey>("readwrite", (store) => store.put(kept), "");
    },
    remove: async (fingerprint) => {
      await use<undefined>("readwrite", (store) => store.delete(prefix + fingerprint), undefined);
    },
    list: async () =>
      (await use<UploadRecord[]>("readonly", (store) => store.getAll(), [])).filter(own).map(bare),
  };
}
