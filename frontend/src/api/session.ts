/**
 * Who calls: what the transport sends with every call (see transport.ts).
 *
 * A separate store rather than React state, because calls are also made outside components.
 */

/** How people sign in; features/access/sign-in implements it. */
export interface SignIn {
  /** Who has signed in: the subject of the token. */
  readonly subject: string;
  /** The bearer token, renewed first if it has ended. Waits while the person has to sign in again. */
  token(): Promise<string>;
  /**
   * A token in place of one that the server refused. Renews it silently; `again` says that this did not help,
   * so that the person has to sign in.
   */
  replace(refused: string, again: boolean): Promise<string>;
  /** Renews a token that is not new, before a download: that ends with its token and cannot be resumed. */
  freshen(): Promise<void>;
}

interface Session {
  /** Null: nobody signs in, every caller is the local admin. */
  readonly signIn: SignIn | null;
  /** The tenant in which the page works; "": the only one, until it is known. */
  readonly tenant: string;
  /** Grows when another tenant is chosen: all that is shown and cached is then of the last one. */
  readonly generation: number;
}

let session: Session = { signIn: null, tenant: "", generation: 0 };
const listeners = new Set<() => void>();

export function currentSession(): Session {
  return session;
}

export function setSession(change: Partial<Session>): void {
  session = { ...session, ...change };
  for (const listener of listeners) listener();
}

export function subscribeToSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What this browser remembers of a person and a tenant is kept under this; "": the local admin. */
export function sessionScope({ signIn, tenant }: Pick<Session, "signIn" | "tenant"> = session): string {
  return signIn === null ? "" : `${encodeURIComponent(signIn.subject)}/${tenant}`;
}
