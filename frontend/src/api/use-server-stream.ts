import { useEffect, useRef, useState } from "react";
import { backoff } from "./connection";
import { describeError, isCancelled, isSignInNeeded, isTransient, type RowError, reasonOf } from "./errors";

/** connecting: no message yet; live; waiting: broken, about to be retried; ended: complete; failed. */
export type StreamPhase = "connecting" | "live" | "waiting" | "ended" | "failed";

interface ServerStreamOptions<Message> {
  /** Identifies the stream: when it changes, a new stream is opened. */
  readonly key: string;
  /** Opens the stream. Called again after every break, so that it can continue where the last one stopped. */
  readonly open: (signal: AbortSignal) => AsyncIterable<Message>;
  readonly onMessage: (message: Message) => void;
  /** Whether a stream that ended without an error is complete. By default it is. */
  readonly isComplete?: () => boolean;
  readonly enabled?: boolean;
  /** A stream that is silent for this long is broken; the services send something every 20 s. */
  readonly silenceMs?: number;
}

export interface ServerStreamState {
  readonly phase: StreamPhase;
  /** Why it failed, or why it is waiting. */
  readonly problem: RowError | null;
}

/**
 * Follows a server stream and reopens it with backoff when it breaks.
 *
 * A hidden page closes its streams and reopens them when it is visible again: over HTTP/1.1 a browser allows
 * six connections to a host across all tabs, and background tabs would use them up.
 */
export function useServerStream<Message>(options: ServerStreamOptions<Message>): ServerStreamState {
  const { key, enabled = true, silenceMs = 45_000 } = options;
  const latest = useRef(options);
  latest.current = options;
  const [state, setState] = useState<ServerStreamState>({ phase: "connecting", problem: null });

  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for what `open` closes over.
  useEffect(() => {
    if (!enabled) return;
    const stopped = new AbortController();
    setState({ phase: "connecting", problem: null });
    void follow({
      open: (signal) => latest.current.open(signal),
      onMessage: (message) => latest.current.onMessage(message),
      isComplete: () => latest.current.isComplete?.() ?? true,
      onState: (next) => {
        if (!stopped.signal.aborted) setState(next);
      },
      silenceMs,
      signal: stopped.signal,
    });
    return () => stopped.abort();
  }, [key, enabled, silenceMs]);

  return state;
}

interface Following<Message> {
  readonly open: (signal: AbortSignal) => AsyncIterable<Message>;
  readonly onMessage: (message: Message) => void;
  readonly isComplete: () => boolean;
  readonly onState: (state: ServerStreamState) => void;
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/**
 * The loop behind useServerStream, without React. Resolves when the stream is complete, failed or stopped.
 */
export async function follow<Message>(following: Following<Message>): Promise<void> {
  const { signal, onState } = following;
  let attempt = 0;
  while (!signal.aborted) {
    await untilVisible(signal);
    const heard = { any: false };
    try {
      await listen(following, heard);
      if (following.isComplete()) {
        onState({ phase: "ended", problem: null });
        return;
      }
      attempt = 0;
    } catch (error) {
      if (signal.aborted) return;
      // A stream whose token has ended meanwhile goes on with the next one (authorize.ts).
      const outlivedToken = heard.any && isSignInNeeded(error);
      // Too many streams of the tenant: another one may end.
      const crowded = reasonOf(error) === "QUOTA_EXCEEDED";
      if (!isTransient(error) && !isCancelled(error) && !outlivedToken && !crowded) {
        onState({ phase: "failed", problem: describeError(error) });
        return;
      }
      attempt = heard.any ? 0 : attempt + 1;
      onState({ phase: "waiting", problem: describeError(error) });
    }
    await pause(backoff(attempt), signal);
  }
}

async function listen<Message>(following: Following<Message>, heard: { any: boolean }): Promise<void> {
  const { signal, silenceMs } = following;
  const attempt = new AbortController();
  const stop = () => attempt.abort();
  const stopWhenHidden = () => {
    if (document.hidden) stop();
  };
  signal.addEventListener("abort", stop);
  document.addEventListener("visibilitychange", stopWhenHidden);
  let silence = setTimeout(stop, silenceMs);
  try {
    for await (const message of following.open(attempt.signal)) {
      if (signal.aborted) return;
      clearTimeout(silence);
      silence = setTimeout(stop, silenceMs);
      if (!heard.any) following.onState({ phase: "live", problem: null });
      heard.any = true;
      following.onMessage(message);
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", stop);
    document.removeEventListener("visibilitychange", stopWhenHidden);
  }
}

function untilVisible(signal: AbortSignal): Promise<void> {
  if (!document.hidden || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look);
  });
}

/** Waits; returns early when the signal is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
  });
}
