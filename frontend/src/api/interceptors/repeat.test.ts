import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { AccessService, OrchestratorService } from "@/api/contract";
import { repeat } from "./repeat";

/** A suite whose first `failures` calls fail. */
function suite(failures: number, code = Code.Unavailable) {
  let calls = 0;
  const answer = () => {
    calls += 1;
    if (calls <= failures) throw new ConnectError("not now", code);
    return {};
  };
  const transport = createRouterTransport(
    ({ service }) => {
      service(OrchestratorService, { cancelProcess: answer, getQueues: answer });
      service(AccessService, { createKey: answer });
    },
    { transport: { interceptors: [repeat] } },
  );
  return {
    orchestrator: createClient(OrchestratorService, transport),
    access: createClient(AccessService, transport),
    calls: () => calls,
  };
}

describe("repeat", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    return () => vi.useRealTimers();
  });

  it("repeats a change that may be done twice", async () => {
    const { orchestrator, calls } = suite(3);
    const call = orchestrator.cancelProcess({});
    await vi.runAllTimersAsync();
    await call;
    expect(calls()).toBe(4);
  });

  it("gives up in the end", async () => {
    const { orchestrator, calls } = suite(9);
    const refused = expect(orchestrator.cancelProcess({})).rejects.toThrow("not now");
    await vi.runAllTimersAsync();
    await refused;
    expect(calls()).toBe(4);
  });

  it("does not repeat a change that would be done twice, nor a read", async () => {
    for (const call of ["createKey", "getQueues"] as const) {
      const { orchestrator, access, calls } = suite(1);
      await expect(call === "createKey" ? access.createKey({}) : orchestrator.getQueues({})).rejects.toThrow(
        "not now",
      );
      expect(calls()).toBe(1);
    }
  });

  it("does not repeat what was answered", async () => {
    const { orchestrator, calls } = suite(1, Code.FailedPrecondition);
    await expect(orchestrator.cancelProcess({})).rejects.toThrow("not now");
    expect(calls()).toBe(1);
  });
});
