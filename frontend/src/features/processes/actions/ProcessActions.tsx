import { Button } from "@mantine/core";
import {
  IconArrowBackUp,
  IconPlayerPause,
  IconPlayerPlay,
  IconRefresh,
  IconTrash,
  IconX,
} from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";
import type { ErrorGroup, Process } from "@/api/contract";
import { useMayAll } from "@/features/access";
import { type Action, actionsFor, METHODS } from "./actions";
import { isAtOnce, useAtOnce } from "./use-at-once";

const ActionDialogs = lazy(() =>
  import("./ActionDialogs").then(({ ActionDialogs }) => ({ default: ActionDialogs })),
);

const NotDone = lazy(() => import("./NotDone").then(({ NotDone }) => ({ default: NotDone })));

const BUTTONS = {
  pause: { label: "Pause", icon: IconPlayerPause },
  resume: { label: "Resume", icon: IconPlayerPlay },
  cancel: { label: "Cancel", icon: IconX },
  retry: { label: "Retry", icon: IconRefresh },
  undo: { label: "Undo", icon: IconArrowBackUp },
  delete: { label: "Delete", icon: IconTrash },
} as const;

export interface ProcessActionsProps {
  readonly process: Process;
  readonly groups: readonly ErrorGroup[];
}

/** What the person may do with a process in its state; what cannot be taken back explains itself before it runs. */
export function ProcessActions({ process, groups }: ProcessActionsProps) {
  const [asked, setAsked] = useState<Action | null>(null);
  const [wanted, setWanted] = useState(false);
  const may = useMayAll();
  const atOnce = useAtOnce(process.info?.processId ?? "");
  return (
    <>
      {actionsFor(
        process,
        groups.map(({ code }) => code),
      )
        .filter((action) => may(METHODS[action]))
        .map((action) => {
          const { label, icon: Icon } = BUTTONS[action];
          return (
            <Button
              // Pausing and resuming are one button, which keeps the focus.
              key={isAtOnce(action) ? "pause" : action}
              loading={isAtOnce(action) && atOnce.isPending}
              variant="default"
              leftSection={<Icon size={16} stroke={1.75} aria-hidden />}
              onClick={() => {
                if (isAtOnce(action)) {
                  atOnce.mutate(action);
                  return;
                }
                setWanted(true);
                setAsked(action);
              }}
            >
              {label}
            </Button>
          );
        })}
      {atOnce.isError && (
        <Suspense fallback={null}>
          <NotDone
            title={atOnce.variables === "pause" ? "Not paused" : "Not resumed"}
            error={atOnce.error}
            process={process}
            onClose={atOnce.reset}
          />
        </Suspense>
      )}
      {wanted && (
        <Suspense fallback={null}>
          <ActionDialogs asked={asked} process={process} groups={groups} onClose={() => setAsked(null)} />
        </Suspense>
      )}
    </>
  );
}
