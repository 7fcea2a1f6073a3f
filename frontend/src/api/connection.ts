/**
 * Which services answer. Every call feeds it (see transport.ts); the banner and the probes read it.
 *
 * A separate store rather than React state, because calls are also made outside components.
 */
interface Outage {
  /** When the first call failed, in milliseconds of the epoch. */
  readonly since: number;
  /** Failed calls in a row. */
  readonly failures: number;
}

/** Stands for the provider at which people sign in. */
export const SIGN_IN = "sign-in";

type Outages = ReadonlyMap<string, Outage>;

let outages: Outages = new Map();
const listeners = new Set<() => void>();
const recoveryListeners = new Set<(service: string) => void>();

function publish(next: Outages): void {
  outages = next;
  for (const listener of listeners) listener();
}

/** A call to the service failed because nothing answered. */
export function reportOutage(service: string, now = Date.now()): void {
  const known = outages.get(service);
  const next = new Map(outages);
  next.set(service, { since: known?.since ?? now, failures: (known?.failures ?? 0) + 1 });
  publish(next);
}

/** The service answered, even if with an error. */
export function reportAnswer(service: string): void {
  if (!outages.has(service)) return;
  const next = new Map(outages);
  next.delete(service);
  publish(next);
  for (const listener of recoveryListeners) listener(service);
}

export function currentOutages(): Outages {
  return outages;
}

export function subscribeToOutages(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Called with the name of a service that answers again. */
export function onRecovery(listener: (service: string) => void): () => void {
  recoveryListeners.add(listener);
  return () => recoveryListeners.delete(listener);
}

/** Milliseconds to wait before attempt `attempt` (from 0): 0.5 s, 1 s, 2 s ... at most 10 s, with jitter. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  return Math.min(10_000, 500 * 2 ** Math.min(attempt, 10)) * (0.8 + 0.4 * random());
}
