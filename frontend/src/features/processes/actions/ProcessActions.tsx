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
import { AtOnce } from "./AtOnce";
import { type Action, actionsFor, METHODS } from "./actions";

const ActionDialogs = lazy(() =>
  import("./ActionDialogs").then(({ ActionDialogs }) => ({ default: ActionDialogs })),
);

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
  return (
    <>
      {actionsFor(
        process,
        groups.map(({ code }) => code),
      )
        .filter((action) => may(METHODS[action]))
        .map((action) => {
          const { label, icon: Icon } = BUTTONS[action];
          if (action === "pause" || action === "resume") {
            return <AtOnce key="pause" action={action} process={process} label={label} icon={Icon} />;
          }
          return (
            <Button
              key={action}
              variant="default"
              leftSection={<Icon size={16} stroke={1.75} aria-hidden />}
              onClick={() => {
                setWanted(true);
                setAsked(action);
              }}
            >
              {label}
            </Button>
          );
        })}
      {wanted && (
        <Suspense fallback={null}>
          <ActionDialogs asked={asked} process={process} groups={groups} onClose={() => setAsked(null)} />
        </Suspense>
      )}
    </>
  );
}
