/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): each call names its trace, by which the services' logs
 * and spans are found.
 */
import type { Interceptor } from "@connectrpc/connect";

export const TRACEPARENT = "traceparent";
/** Below this number all pieces of a trace are recorded. */
const ALL_BELOW = 32;

/** Calls that belong together. */
export class Trace {
  private readonly id = randomHex(16);
  private pieces = 0;

  /** The header of a call. */
  call(recorded = true): string {
    return `00-${this.id}-${randomHex(8)}-${recorded ? "01" : "00"}`;
  }

  /** The header of one of very many calls: only some ask to be recorded, 16 in each doubling of their number. */
  piece(): string {
    this.pieces += 1;
    const step = 2 ** Math.floor(Math.log2(this.pieces)) / 16;
    return this.call(this.pieces < ALL_BELOW || this.pieces % step === 0);
  }
}

/** Gives each call that is not part of a trace one of its own. */
export const traced: Interceptor = (next) => (request) => {
  if (!request.header.has(TRACEPARENT)) request.header.set(TRACEPARENT, new Trace().call());
  return next(request);
};

function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
