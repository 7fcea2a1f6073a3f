/** What a failed call means for the person in front of the page. */
import { Code, ConnectError } from "@connectrpc/connect";
import { adviceFor } from "./advice";
import { BadRequestSchema, ErrorInfoSchema } from "./contract";

/** One invalid part of a request: its JSON Pointer or field path, and what is wrong with it. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

export interface RowError {
  /** What did not work, in a few words. */
  readonly title: string;
  /** The server's message. */
  readonly happened: string;
  /** What the person can do. */
  readonly advice: string;
  /** For support: gRPC code and reason, such as "NOT_FOUND · PROCESS_NOT_FOUND". */
  readonly code: string;
  /** ErrorInfo's reason; empty when the server gave none. */
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly Violation[];
  /** Whether the same call may succeed later without anyone acting. */
  readonly transient: boolean;
}

/** gRPC's name of a code: "NOT_FOUND". */
export function codeName(code: Code): string {
  return (Code[code] ?? "Unknown").replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}

/** Whether nothing answered: there is no network, or the gateway or the service behind it is down. */
export function isUnreachable(error: unknown): boolean {
  const connect = ConnectError.from(error);
  return connect.code === Code.Unavailable || connect.cause instanceof TypeError;
}

/** Whether the same call may succeed later. */
export function isTransient(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  return isUnreachable(error) || code === Code.DeadlineExceeded;
}

/** Whether the page itself cancelled the call. */
export function isCancelled(error: unknown): boolean {
  return (
    (error instanceof DOMException && error.name === "AbortError") ||
    ConnectError.from(error).code === Code.Canceled
  );
}

/** Whether the service refused the token, or there was none. */
export function isSignInNeeded(error: unknown): boolean {
  return ConnectError.from(error).code === Code.Unauthenticated;
}

/** ErrorInfo's reason, or "". */
export function reasonOf(error: unknown): string {
  return ConnectError.from(error).findDetails(ErrorInfoSchema)[0]?.reason ?? "";
}

/** ErrorInfo's metadata. */
export function factsOf(error: unknown): Readonly<Record<string, string>> {
  return ConnectError.from(error).findDetails(ErrorInfoSchema)[0]?.metadata ?? {};
}

/** Every invalid part of the request. */
export function violationsOf(error: unknown): readonly Violation[] {
  return ConnectError.from(error)
    .findDetails(BadRequestSchema)
    .flatMap((detail) => detail.fieldViolations.map(({ field, description }) => ({ field, description })));
}

/** Turns anything thrown into what the page shows. */
export function describeError(error: unknown): RowError {
  const connect = ConnectError.from(error);
  const reason = reasonOf(error);
  const code = codeName(connect.code);
  const { title, advice } = adviceFor(reason, isUnreachable(error) ? Code.Unavailable : connect.code);
  return {
    title,
    happened: connect.rawMessage || "The server gave no reason.",
    advice,
    code: reason ? `${code} · ${reason}` : code,
    reason,
    metadata: factsOf(error),
    violations: violationsOf(error),
    transient: isTransient(error),
  };
}
