import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { orchestratorClient, processorClient, statusClient } from "@/api/clients";
import type { ErrorGroup, Process } from "@/api/contract";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { formatCount, plural } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import { processKeys } from "../queries";
import classes from "./Actions.module.css";
import { type Action, PASSING_CODES } from "./actions";
import { ConfirmDialog } from "./ConfirmDialog";
import type { ProcessActionsProps } from "./ProcessActions";

interface ActionDialogsProps extends ProcessActionsProps {
  /** The action that was asked for; null: none. */
  readonly asked: Action | null;
  readonly onClose: () => void;
}

/** Says what an action will do, and does it. */
export function ActionDialogs(props: ActionDialogsProps) {
  return (
    <>
      <SimpleDialog {...props} />
      <UndoDialog opened={props.asked === "undo"} process={props.process} onClose={props.onClose} />
    </>
  );
}

interface Wording {
  readonly title: string;
  readonly what: ReactNode;
  readonly lasting: ReactNode | null;
  readonly confirm: string;
  readonly dangerous?: boolean;
}

function wordingOf(
  action: Exclude<Action, "undo">,
  process: Process,
  groups: readonly ErrorGroup[],
): Wording {
  const loaded = toNumber(process.counts?.succeeded);
  const passing = groups
    .filter(({ code }) => PASSING_CODES.includes(code))
    .reduce((sum, { count }) => sum + toNumber(count), 0);
  switch (action) {
    case "pause":
      return {
        title: "Pause this process?",
        what: (
          <p>
            No more of the file is read until somebody resumes it. Batches that are in the queue already are
            still loaded.
          </p>
        ),
        lasting: null,
        confirm: "Pause",
      };
    case "resume":
      return {
        title: "Resume this process?",
        what: <p>The file is read on from where it was held. Nothing is loaded twice.</p>,
        lasting: null,
        confirm: "Resume",
      };
    case "cancel":
      return {
        title: "Cancel this process?",
        what: (
          <>
            <p>
              Reading stops, and what waits in the queue is not loaded any more. Rows without an outcome
              become “unprocessed”.
            </p>
            <p>
              {plural(loaded, "row")} that are loaded already stay in the table; undo the process afterwards
              to take them out.
            </p>
          </>
        ),
        lasting: "a cancelled process cannot go on. To load the rest, upload the file again.",
        confirm: "Cancel the process",
        dangerous: true,
      };
    case "retry":
      return {
        title: "Try failed rows again?",
        what: (
          <p>
            Rows that failed for a reason that may have passed ({formatCount(passing)} errors of the kinds{" "}
            {PASSING_CODES.join(", ")}) are run again from the stored file, as a process of its own. Those
            that succeed then count as succeeded here. Rows that failed for what they hold are left as they
            are.
          </p>
        ),
        lasting: null,
        confirm: "Try again",
      };
    case "delete":
      return {
        title: "Delete this process?",
        what: (
          <>
            <p>The file, the report, and what is known of its batches and rows are removed.</p>
            <p>
              {loaded > 0
                ? `${plural(loaded, "row")} that it has loaded stay in the table. To take them out, undo the process before you delete it.`
                : "It has loaded nothing that would stay."}
            </p>
          </>
        ),
        lasting: "none of this can be brought back, and the process can be neither undone nor repaired then.",
        confirm: "Delete",
        dangerous: true,
      };
  }
}

/** Every action but undo, which asks the server first. */
function SimpleDialog({ asked, process, groups, onClose }: ActionDialogsProps) {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const processId = process.info?.processId ?? "";
  const action = asked === "undo" ? null : asked;
  // While the dialog fades out it still says what it said.
  const [shown, setShown] = useState<Exclude<Action, "undo"> | null>(null);
  if (action !== null && action !== shown) setShown(action);

  const mutation = useMutation({
    mutationFn: async (what: Exclude<Action, "undo">): Promise<string | null> => {
      switch (what) {
        case "pause":
          await orchestratorClient.pauseProcess({ processId });
          return null;
        case "resume":
          await orchestratorClient.resumeProcess({ processId });
          return null;
        case "cancel":
          await orchestratorClient.cancelProcess({ processId });
          return null;
        case "retry":
          return (await orchestratorClient.retryRows({ processId })).processId;
        case "delete":
          await statusClient.deleteProcess({ processId });
          return null;
      }
    },
    onSuccess: async (created, what) => {
      onClose();
      if (what === "delete") {
        await navigate({ to: "/processes" });
        queryClient.removeQueries({ queryKey: processKeys.one(processId) });
        queryClient.removeQueries({ queryKey: processKeys.parts(processId) });
        void queryClient.invalidateQueries({ queryKey: processKeys.lists });
        return;
      }
      void queryClient.invalidateQueries({ queryKey: processKeys.one(processId) });
      void queryClient.invalidateQueries({ queryKey: processKeys.parts(processId) });
      if (created) void navigate({ to: "/processes/$processId", params: { processId: created } });
    },
  });
  if (shown === null) return null;
  const { title, what, lasting, confirm, dangerous = false } = wordingOf(shown, process, groups);
  return (
    <ConfirmDialog
      opened={action !== null}
      title={title}
      lasting={lasting}
      confirm={confirm}
      dangerous={dangerous}
      busy={mutation.isPending}
      error={mutation.error}
      onConfirm={() => mutation.mutate(shown)}
      onClose={() => {
        mutation.reset();
        onClose();
      }}
    >
      {what}
    </ConfirmDialog>
  );
}

interface UndoDialogProps {
  readonly opened: boolean;
  readonly process: Process;
  readonly onClose: () => void;
}

/** Asks the server what an undo would do, says it, and only then does it. */
function UndoDialog({ opened, process, onClose }: UndoDialogProps) {
  const queryClient = useQueryClient();
  const processId = process.info?.processId ?? "";
  const check = useQuery({
    queryKey: [...processKeys.parts(processId), "undo"],
    queryFn: ({ signal }) => processorClient.undoProcess({ processId, validateOnly: true }, { signal }),
    enabled: opened,
    staleTime: 0,
    gcTime: 0,
  });
  const undo = useMutation({
    mutationFn: () => processorClient.undoProcess({ processId }),
    onSuccess: () => {
      onClose();
      void queryClient.invalidateQueries({ queryKey: processKeys.one(processId) });
      void queryClient.invalidateQueries({ queryKey: processKeys.parts(processId) });
    },
  });
  return (
    <ConfirmDialog
      opened={opened}
      title="Undo this process?"
      lasting={
        check.data === undefined
          ? null
          : "an undone process cannot be done again. To load the rows again, upload the file again."
      }
      confirm="Undo the process"
      dangerous
      busy={undo.isPending}
      disabled={check.data === undefined}
      error={undo.error}
      onConfirm={() => undo.mutate()}
      onClose={() => {
        undo.reset();
        onClose();
      }}
    >
      {check.isError ? (
        <ErrorState error={check.error} inline onRetry={() => void check.refetch()} />
      ) : check.data === undefined ? (
        <LoadingState lines={3} label="Asking what an undo would do" />
      ) : (
        <>
          <p>What the process has loaded, with its repairs, is taken out of the table again:</p>
          <dl className={classes.counts}>
            <div>
              <dt>Rows removed</dt>
              <dd>{formatCount(check.data.removed)}</dd>
            </div>
            <div>
              <dt>Set back to before</dt>
              <dd>{formatCount(check.data.restored)}</dd>
            </div>
            <div>
              <dt>Left, changed since</dt>
              <dd>{formatCount(check.data.kept)}</dd>
            </div>
          </dl>
        </>
      )}
    </ConfirmDialog>
  );
}
