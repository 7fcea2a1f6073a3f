/** Which actions make sense for a process. Pure. */
import { type Process, ProcessState } from "@/api/contract";
import { toNumber } from "@/lib/proto";
import { isTerminal } from "@/lib/states";

export type Action = "pause" | "resume" | "cancel" | "retry" | "undo" | "delete";

/** Codes of errors that may have passed by themselves: what RetryRows runs again. */
export const PASSING_CODES: readonly string[] = ["batch-error", "sink-error", "foreign-key"];

/** The actions in the order in which they are shown; `codes` are those of the process's errors. */
export function actionsFor(process: Process, codes: readonly string[]): readonly Action[] {
  const { state } = process;
  if (state === ProcessState.PAUSED) return ["resume", "cancel"];
  if (!isTerminal(state)) {
    // Once the whole file is sent there is nothing left that could be held.
    return state === ProcessState.PROCESSING ? ["cancel"] : ["pause", "cancel"];
  }
  const found: Action[] = [];
  const isRepair = (process.info?.repairsProcessId ?? "") !== "";
  const undone = state === ProcessState.UNDONE;
  if (!undone && !process.expired && !isRepair && codes.some((code) => PASSING_CODES.includes(code))) {
    found.push("retry");
  }
  if (!undone && !isRepair && toNumber(process.counts?.succeeded) > 0) found.push("undo");
  found.push("delete");
  return found;
}

/** Whether a corrected report can be brought here. A repair's failed rows are those of what it repairs. */
export function canRepair(process: Process): boolean {
  return (
    (process.info?.repairsProcessId ?? "") === "" &&
    isTerminal(process.state) &&
    process.state !== ProcessState.UNDONE &&
    !process.expired &&
    toNumber(process.counts?.failed) > 0
  );
}
