/** Labels, meanings and tones of the states of processes and rows. */
import { ProcessState, RowState } from "@/api/contract";

export type Tone = "neutral" | "progress" | "good" | "warning" | "bad";

export interface StateLook {
  readonly label: string;
  readonly tone: Tone;
  /** One sentence for a tooltip. */
  readonly meaning: string;
}

const UNKNOWN: StateLook = {
  label: "Unknown",
  tone: "neutral",
  meaning: "This page does not know this state.",
};

const PROCESS: Partial<Record<ProcessState, StateLook>> = {
  [ProcessState.PENDING]: {
    label: "Pending",
    tone: "neutral",
    meaning: "Accepted; nothing has been read yet.",
  },
  [ProcessState.DISPATCHING]: {
    label: "Reading",
    tone: "progress",
    meaning: "The file is being read and its rows are being loaded.",
  },
  [ProcessState.PROCESSING]: {
    label: "Loading",
    tone: "progress",
    meaning: "The whole file has been read; its last rows are being loaded.",
  },
  [ProcessState.PAUSED]: {
    label: "Paused",
    tone: "warning",
    meaning: "Reading is paused until someone resumes it.",
  },
  [ProcessState.COMPLETED]: {
    label: "Completed",
    tone: "good",
    meaning: "Every row was loaded or skipped on purpose.",
  },
  [ProcessState.COMPLETED_WITH_ERRORS]: {
    label: "Completed with errors",
    tone: "warning",
    meaning: "Every row has an outcome; some failed.",
  },
  [ProcessState.FAILED]: {
    label: "Failed",
    tone: "bad",
    meaning: "The file as a whole could not be loaded.",
  },
  [ProcessState.CANCELLED]: {
    label: "Cancelled",
    tone: "neutral",
    meaning: "Someone stopped it; it cannot be resumed.",
  },
  [ProcessState.UNDONE]: {
    label: "Undone",
    tone: "neutral",
    meaning: "The rows it had loaded were taken out again.",
  },
};

const ROW: Partial<Record<RowState, StateLook>> = {
  [RowState.QUEUED]: {
    label: "Queued",
    tone: "progress",
    meaning: "Read and numbered; no outcome yet.",
  },
  [RowState.SUCCEEDED]: { label: "Succeeded", tone: "good", meaning: "Loaded." },
  [RowState.FAILED]: { label: "Failed", tone: "bad", meaning: "Rejected; its errors say why." },
  [RowState.SKIPPED]: { label: "Skipped", tone: "neutral", meaning: "Left out on purpose." },
  [RowState.UNPROCESSED]: {
    label: "Unprocessed",
    tone: "neutral",
    meaning: "The process ended before the row was processed.",
  },
};

export function processLook(state: ProcessState): StateLook {
  return PROCESS[state] ?? UNKNOWN;
}

export function rowLook(state: RowState): StateLook {
  return ROW[state] ?? UNKNOWN;
}

/** Whether the state is final. */
export function isTerminal(state: ProcessState): boolean {
  return state >= ProcessState.COMPLETED;
}

/** The states that a filter accepts, by the filter's own names. */
export const PROCESS_STATES = (Object.keys(PROCESS).map(Number) as ProcessState[]).map((state) => ({
  state,
  word: ProcessState[state] ?? "",
  ...processLook(state),
}));
