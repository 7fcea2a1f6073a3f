/** Which actions make sense for a process. */
import type { DescMethod } from "@bufbuild/protobuf";
import {
  OrchestratorService,
  type Process,
  ProcessorService,
  ProcessState,
  StatusService,
} from "@/api/contract";
import { plural } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import { isTerminal } from "@/lib/states";

export type Action = "pause" | "resume" | "cancel" | "retry" | "undo" | "delete";

/** The call that each action makes. */
export const METHODS: Readonly<Record<Action, DescMethod>> = {
  pause: OrchestratorService.method.pauseProcess,
  resume: OrchestratorService.method.resumeProcess,
  cancel: OrchestratorService.method.cancelProcess,
  retry: OrchestratorService.method.retryRows,
  undo: ProcessorService.method.undoProcess,
  delete: StatusService.method.deleteProcess,
};

/** Codes of errors whose cause may have passed: RetryRows runs these rows again. */
export const RETRYABLE_CODES: readonly string[] = ["batch-error", "sink-error", "foreign-key"];

/** The possible actions in display order; `codes` are the codes of the process's errors. */
export function actionsFor(process: Process, codes: readonly string[]): readonly Action[] {
  const { state } = process;
  if (state === ProcessState.PAUSED) return ["resume", "cancel"];
  if (!isTerminal(state)) {
    // Once the whole file has been read, nothing is left to pause.
    return state === ProcessState.PROCESSING ? ["cancel"] : ["pause", "cancel"];
  }
  const found: Action[] = [];
  const isRepair = (process.info?.repairsProcessId ?? "") !== "";
  const undone = state === ProcessState.UNDONE;
  if (!undone && !process.expired && !isRepair && codes.some((code) => RETRYABLE_CODES.includes(code))) {
    found.push("retry");
  }
  if (!undone && !isRepair && toNumber(process.counts?.succeeded) > 0) found.push("undo");
  found.push("delete");
  return found;
}

/** Whether the process takes a repair file. The failed rows of a repair belong to the repaired process. */
export function canRepair(process: Process): boolean {
  return (
    (process.info?.repairsProcessId ?? "") === "" &&
    isTerminal(process.state) &&
    process.state !== ProcessState.UNDONE &&
    !process.expired &&
    toNumber(process.counts?.failed) > 0
  );
}

/** What is in the table after the process is deleted. */
export function whatStays(process: Process): string {
  const loaded = toNumber(process.counts?.succeeded);
  if (process.state === ProcessState.UNDONE) {
    const kept = toNumber(process.undo?.kept);
    return kept > 0
      ? `Its rows were taken out of the table when it was undone; ${plural(kept, "row")} that had changed later stayed and will stay.`
      : "Its rows were taken out of the table when it was undone.";
  }
  if (loaded === 0) return "It has loaded no rows.";
  const stay = `${plural(loaded, "loaded row")} will stay in the table.`;
  if (process.info?.repairsProcessId) {
    return `${stay} They belong to the repaired process, and are taken out when that one is undone.`;
  }
  return `${stay} To take them out, undo the process before you delete it.`;
}
