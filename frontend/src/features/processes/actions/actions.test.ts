import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { ProcessSchema, ProcessState } from "@/api/contract";
import { actionsFor, canRepair, whatStays } from "./actions";

function process(state: ProcessState, more: { failed?: bigint; repairs?: string; expired?: boolean } = {}) {
  return create(ProcessSchema, {
    state,
    counts: { read: 10n, succeeded: 5n, failed: more.failed ?? 0n },
    info: { repairsProcessId: more.repairs ?? "" },
    expired: more.expired ?? false,
  });
}

it.each([
  [ProcessState.PENDING, ["pause", "cancel"]],
  [ProcessState.DISPATCHING, ["pause", "cancel"]],
  [ProcessState.PROCESSING, ["cancel"]],
  [ProcessState.PAUSED, ["resume", "cancel"]],
  [ProcessState.COMPLETED, ["undo", "delete"]],
  [ProcessState.UNDONE, ["delete"]],
])("in state %s: %j", (state, actions) => {
  expect(actionsFor(process(state), [])).toEqual(actions);
});

it("retries only failures that may have passed", () => {
  const failed = process(ProcessState.COMPLETED_WITH_ERRORS, { failed: 2n });
  expect(actionsFor(failed, ["type-error"])).not.toContain("retry");
  expect(actionsFor(failed, ["type-error", "sink-error"])).toContain("retry");
});

it("does not offer undo for a repair", () => {
  expect(actionsFor(process(ProcessState.COMPLETED, { repairs: "x" }), ["sink-error"])).toEqual(["delete"]);
});

it("repairs failed rows of ended processes whose records are stored", () => {
  expect(canRepair(process(ProcessState.COMPLETED_WITH_ERRORS, { failed: 1n }))).toBe(true);
  expect(canRepair(process(ProcessState.PROCESSING, { failed: 1n }))).toBe(false);
  expect(canRepair(process(ProcessState.COMPLETED, {}))).toBe(false);
  expect(canRepair(process(ProcessState.COMPLETED_WITH_ERRORS, { failed: 1n, expired: true }))).toBe(false);
  expect(canRepair(process(ProcessState.UNDONE, { failed: 1n }))).toBe(false);
});

it("tells what of the rows stays in the table when a process is deleted", () => {
  const undone = (kept: bigint) =>
    create(ProcessSchema, {
      state: ProcessState.UNDONE,
      counts: { read: 10n, succeeded: 5n },
      undo: { removed: 5n - kept, kept },
    });
  expect(whatStays(process(ProcessState.COMPLETED))).toMatch(/^5 loaded rows will stay .* undo the process/);
  expect(whatStays(process(ProcessState.COMPLETED, { repairs: "x" }))).toMatch(/the repaired process/);
  expect(whatStays(undone(0n))).toBe("Its rows were taken out of the table when it was undone.");
  expect(whatStays(undone(2n))).toMatch(/2 rows that had changed later stayed/);
  expect(whatStays(create(ProcessSchema, { state: ProcessState.FAILED }))).toBe("It has loaded no rows.");
});
