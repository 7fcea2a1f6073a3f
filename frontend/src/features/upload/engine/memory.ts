/** Records of unfinished uploads in IndexedDB, which can also store the browser's handle of a file. */
import type { UploadMemory, UploadRecord } from "./ports";

const STORE = "uploads";

function asPromise<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open("ingestor", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "fingerprint" });
  return asPromise(request);
}

/** `scope`: keeps the records of people and tenants apart (api/session.ts). */
export function openMemory(scope: string): UploadMemory {
  const prefix = scope === "" ? "" : `${scope} `;
  const own = ({ fingerprint }: UploadRecord) =>
    prefix === "" ? !fingerprint.includes(" ") : fingerprint.startsWith(prefix);
  const bare = (record: UploadRecord) => ({
    ...record,
    fingerprint: record.fingerprint.slice(prefix.length),
  });
  let database: Promise<IDBDatabase> | null = null;

  /** A private window may have no database: then nothing is remembered, and everything else works. */
  async function use<T>(
    mode: IDBTransactionMode,
    work: (store: IDBObjectStore) => IDBRequest<T>,
    otherwise: T,
  ): Promise<T> {
    try {
      database ??= openDatabase();
      return await asPromise(work((await database).transaction(STORE, mode).objectStore(STORE)));
    } catch {
      return otherwise;
    }
  }

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
