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

export function openMemory(): UploadMemory {
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
    get: async (fingerprint) =>
      (await use<UploadRecord | undefined>("readonly", (store) => store.get(fingerprint), undefined)) ?? null,
    put: async (record) => {
      await use<IDBValidKey>("readwrite", (store) => store.put(record), "");
    },
    remove: async (fingerprint) => {
      await use<undefined>("readwrite", (store) => store.delete(fingerprint), undefined);
    },
    list: () => use<UploadRecord[]>("readonly", (store) => store.getAll(), []),
  };
}
