/** A store of objects in IndexedDB. */

export type Use = <T>(
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => IDBRequest<T>,
  otherwise: T,
) => Promise<T>;

function asPromise<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * Works on the only store of a database, which is opened when it is first used. A private window may have no
 * database: then nothing is remembered, and everything else works.
 */
export function objectStore(database: string, store: string, keyPath: string): Use {
  let opened: Promise<IDBDatabase> | null = null;
  const open = () => {
    const request = indexedDB.open(database, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store, { keyPath });
    return asPromise(request);
  };
  return async (mode, work, otherwise) => {
    try {
      opened ??= open();
      return await asPromise(work((await opened).transaction(store, mode).objectStore(store)));
    } catch {
      return otherwise;
    }
  };
}
