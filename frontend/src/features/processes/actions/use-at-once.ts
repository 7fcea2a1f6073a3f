import { useMutation, useQueryClient } from "@tanstack/react-query";
import { orchestratorClient } from "@/api/clients";
import type { Action } from "./actions";
import { refetchProcess } from "./changed";

/** Actions that can be taken back and therefore run at once, without a confirmation. */
export type AtOnce = Extract<Action, "pause" | "resume">;

export function isAtOnce(action: Action): action is AtOnce {
  return action === "pause" || action === "resume";
}

/** Runs such actions of a process. */
export function useAtOnce(processId: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: async (action: AtOnce) => {
      if (action === "pause") await orchestratorClient.pauseProcess({ processId });
      else await orchestratorClient.resumeProcess({ processId });
    },
    onSettled: () => refetchProcess(queryClient, processId),
  });
}
