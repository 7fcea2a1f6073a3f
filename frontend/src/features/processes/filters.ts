/** Turns the address into the filters of ListProcesses and ListRows. */
import { PROCESS_STATES } from "@/lib/states";

/** A filter's string literal: quoted, with quotes and backslashes escaped. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** Stands for "without a pipeline" in the address; no pipeline can have this name. */
export const NO_PIPELINE = "-";

/** States that people select together. */
export const STATE_GROUPS: readonly {
  readonly label: string;
  readonly words: readonly string[];
}[] = [
  { label: "Running", words: ["PENDING", "DISPATCHING", "PROCESSING"] },
  { label: "Paused", words: ["PAUSED"] },
  { label: "Completed", words: ["COMPLETED"] },
  { label: "With errors", words: ["COMPLETED_WITH_ERRORS"] },
  { label: "Failed", words: ["FAILED"] },
  { label: "Cancelled", words: ["CANCELLED"] },
  { label: "Undone", words: ["UNDONE"] },
];

/** Parses "FAILED,CANCELLED"; unknown states are left out. */
export function chosenStates(text: string | undefined): ReadonlySet<string> {
  const known = new Set(PROCESS_STATES.map(({ word }) => word));
  return new Set((text ?? "").split(",").filter((word) => known.has(word)));
}

/** The states as the address holds them; undefined for none or all of them. */
export function statesText(chosen: ReadonlySet<string>): string | undefined {
  const words = PROCESS_STATES.map(({ word }) => word).filter((word) => chosen.has(word));
  return words.length === 0 || words.length === PROCESS_STATES.length ? undefined : words.join(",");
}

/**
 * The filter of ListProcesses. It supports only AND, so several states are selected by excluding the others.
 */
export function processesFilter(search: { q?: string; state?: string; pipeline?: string }): string {
  const parts: string[] = [];
  if (search.q !== undefined) parts.push(`file_name:${quoted(search.q)}`);
  const chosen = chosenStates(search.state);
  if (chosen.size === 1) parts.push(`state=${[...chosen][0]}`);
  else if (chosen.size > 1) {
    for (const { word } of PROCESS_STATES) if (!chosen.has(word)) parts.push(`state!=${word}`);
  }
  if (search.pipeline !== undefined) {
    parts.push(`pipeline=${quoted(search.pipeline === NO_PIPELINE ? "" : search.pipeline)}`);
  }
  return parts.join(" AND ");
}

/** The states that the rows can be filtered by. */
export const ROW_STATES = ["FAILED", "SKIPPED", "SUCCEEDED", "UNPROCESSED", "QUEUED"] as const;

interface RowsChoice {
  readonly state?: string;
  readonly code?: string;
  readonly field?: string;
}

/** The filter of ListRows; "" for all rows. An empty field selects errors of whole records. */
export function rowsFilter({ state, code, field }: RowsChoice): string {
  const parts: string[] = [];
  if (ROW_STATES.some((word) => word === state)) parts.push(`status=${state}`);
  if (code !== undefined) parts.push(`code=${quoted(code)}`);
  if (field !== undefined) parts.push(`field=${quoted(field)}`);
  return parts.join(" AND ");
}

/** The filter for all repairs of a process. */
export function repairsFilter(processId: string): string {
  return `repairs=${quoted(processId)}`;
}
