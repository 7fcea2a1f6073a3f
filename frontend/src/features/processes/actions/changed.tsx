/** An action came too late: the process has changed its state since the page showed it. */
import type { QueryClient } from "@tanstack/react-query";
import type { Process } from "@/api/contract";
import { reasonOf } from "@/api/errors";
import { processLook } from "@/lib/states";
import { processKeys } from "../queries";

/** Whether the server refused an action because of the state that the process has now. */
export function hasChanged(error: unknown): boolean {
  return error !== null && error !== undefined && reasonOf(error) === "ILLEGAL_TRANSITION";
}

/** Has the page show the process as it is now. */
export function refetchProcess(queryClient: QueryClient, processId: string): void {
  void queryClient.invalidateQueries({ queryKey: processKeys.one(processId) });
}

/** Says what has become of the process. */
export function ChangedMeanwhile({ process }: { readonly process: Process }) {
  return (
    <p role="alert">
      The process changed in the meantime, so nothing was done. It is now: “{processLook(process.state).label}
      ”.
    </p>
  );
}
