// @vitest-environment jsdom
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { ErrorInfoSchema } from "./contract";
import { follow, type StreamPhase } from "./use-server-stream";

vi.mock("./connection", () => ({ backoff: () => 0 }));

interface Attempt {
  readonly messages: readonly number[];
  readonly error?: unknown;
}

/** Follows a stream whose attempts are scripted; returns what was received. */
async function run(attempts: readonly Attempt[], isComplete = () => true) {
  const heard: number[] = [];
  const phases: StreamPhase[] = [];
  let opened = 0;
  await follow<number>({
    open: async function* () {
      const attempt = attempts[opened];
      opened += 1;
      if (attempt === undefined) throw new ConnectError("asked too often", Code.Internal);
      yield* attempt.messages;
      if (attempt.error !== undefined) throw attempt.error;
    },
    onMessage: (message) => heard.push(message),
    isComplete,
    onState: ({ phase }) => phases.push(phase),
    silenceMs: 10_000,
    signal: new AbortController().signal,
  });
  return { heard, phases, opened };
}

describe("follow", () => {
  it("reconnects after a break", async () => {
    const lost = new ConnectError("gone", Code.Unavailable);
    const { heard, phases, opened } = await run([{ messages: [1, 2], error: lost }, { messages: [3] }]);
    expect(heard).toEqual([1, 2, 3]);
    expect(opened).toBe(2);
    expect(phases).toEqual(["live", "waiting", "live", "ended"]);
  });

  it("gives up on an answer that will not change", async () => {
    const { phases, opened } = await run([{ messages: [], error: new ConnectError("no", Code.NotFound) }]);
    expect(opened).toBe(1);
    expect(phases).toEqual(["failed"]);
  });

  it("goes on with another token, unless every token is refused", async () => {
    const refused = new ConnectError("The token has expired.", Code.Unauthenticated);
    const cut = await run([{ messages: [1], error: refused }, { messages: [2] }]);
    expect(cut.heard).toEqual([1, 2]);
    expect(cut.phases).toEqual(["live", "waiting", "live", "ended"]);
    const never = await run([{ messages: [], error: refused }]);
    expect(never.phases).toEqual(["failed"]);
  });

  it("waits for its turn when the tenant has too many streams", async () => {
    const crowded = new ConnectError("too many", Code.ResourceExhausted, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "QUOTA_EXCEEDED", domain: "ingestor", metadata: {} } },
    ]);
    const { phases } = await run([{ messages: [], error: crowded }, { messages: [1] }]);
    expect(phases).toEqual(["waiting", "live", "ended"]);
  });

  it("reopens a stream that ended too early", async () => {
    let left = 1;
    const { heard } = await run([{ messages: [1] }, { messages: [2] }], () => left-- === 0);
    expect(heard).toEqual([1, 2]);
  });

  it("treats a silent stream as broken", async () => {
    let opened = 0;
    const phases: StreamPhase[] = [];
    await follow<number>({
      open: async function* (signal) {
        opened += 1;
        if (opened === 1) {
          await new Promise((_, reject) => {
            signal.addEventListener("abort", () => reject(new ConnectError("cut", Code.Canceled)));
          });
        }
        yield 1;
      },
      onMessage: () => undefined,
      isComplete: () => true,
      onState: ({ phase }) => phases.push(phase),
      silenceMs: 20,
      signal: new AbortController().signal,
    });
    expect(phases).toEqual(["waiting", "live", "ended"]);
  });
});
