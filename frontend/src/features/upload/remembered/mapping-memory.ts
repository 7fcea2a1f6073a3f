/** What was set by hand on the mapping screen, in IndexedDB: it survives a reload, another screen and a closed tab. */
import { sessionScope } from "@/api/session";
import { objectStore } from "@/lib/object-store";

const use = objectStore("ingestor-mappings", "mappings", "key");
/** As long as the server keeps an open upload that nobody touches. */
const KEPT_MS = 7 * 86_400_000;

/** The decisions about one upload. Documents are JSON text, which keeps their numbers. */
export interface Decisions {
  /** Where the rows go; undefined: not chosen by hand. */
  readonly to?: string;
  /** The declared dialect. */
  readonly dialect?: Readonly<Record<string, unknown>>;
  /** The new pipeline: the server's draft, and what was made of it. */
  readonly draft: { readonly from: string; readonly document: string } | null;
  /** Fields of the existing pipeline with the columns chosen for them; "" is none. */
  readonly columns: readonly (readonly [field: string, label: string])[];
  /** The existing pipeline with what else was changed. */
  readonly edited: { readonly name: string; readonly document: string } | null;
}

export const NO_DECISIONS: Decisions = { draft: null, columns: [], edited: null };

interface Kept {
  readonly key: string;
  readonly updated: number;
  readonly decisions: Decisions;
}

/** Keeps the records of people and tenants apart. */
const keyOf = (uploadId: string) => `${sessionScope()} ${uploadId}`;

export async function recall(uploadId: string): Promise<Decisions> {
  const key = keyOf(uploadId);
  const kept = await use<Kept | undefined>("readonly", (store) => store.get(key), undefined);
  return kept?.decisions ?? NO_DECISIONS;
}

export async function remember(uploadId: string, decisions: Decisions): Promise<void> {
  const kept: Kept = { key: keyOf(uploadId), updated: Date.now(), decisions };
  await use<IDBValidKey>("readwrite", (store) => store.put(kept), "");
}

/** Forgets an upload that is complete or discarded, and those that nobody has touched for long. */
export async function forget(uploadId: string): Promise<void> {
  const all = await use<Kept[]>("readonly", (store) => store.getAll(), []);
  const old = Date.now() - KEPT_MS;
  const gone = all.filter(({ updated }) => updated < old).map(({ key }) => key);
  for (const key of [keyOf(uploadId), ...gone]) {
    await use<undefined>("readwrite", (store) => store.delete(key), undefined);
  }
}
