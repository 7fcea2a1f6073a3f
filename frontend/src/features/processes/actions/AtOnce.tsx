import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ComponentType, lazy, Suspense } from "react";
import { orchestratorClient } from "@/api/clients";
import type { Process } from "@/api/contract";
import { refetchProcess } from "./changed";

const NotDone = lazy(() => import("./NotDone").then(({ NotDone }) => ({ default: NotDone })));

interface AtOnceProps {
  readonly action: "pause" | "resume";
  readonly process: Process;
  readonly label: string;
  readonly icon: ComponentType<{ size: number; stroke: number; "aria-hidden": boolean }>;
}

/** An action that can be taken back and therefore runs at once. */
export function AtOnce({ action, process, label, icon: Icon }: AtOnceProps) {
  const queryClient = useQueryClient();
  const processId = process.info?.processId ?? "";
  const { mutate, isPending, error, reset } = useMutation({
    mutationFn: async () => {
      if (action === "pause") await orchestratorClient.pauseProcess({ processId });
      else await orchestratorClient.resumeProcess({ processId });
    },
    onSettled: () => refetchProcess(queryClient, processId),
  });
  return (
    <>
      <Button
        variant="default"
        leftSection={<Icon size={16} stroke={1.75} aria-hidden />}
        loading={isPending}
        onClick={() => mutate()}
      >
        {label}
      </Button>
      {error !== null && (
        <Suspense fallback={null}>
          <NotDone
            title={action === "pause" ? "Not paused" : "Not resumed"}
            error={error}
            process={process}
            onClose={reset}
          />
        </Suspense>
      )}
    </>
  );
}
