import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { orchestratorClient, processorClient, statusClient } from "@/api/clients";
import { type ErrorGroup, type Process, ProcessState } from "@/api/contract";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { formatCount, plural } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import { processKeys } from "../queries";
import classes from "./Actions.module.css";
import { type Action, RETRYABLE_CODES, whatStays } from "./actions";
import { ChangedMeanwhile, hasChanged, refetchProcess } from "./changed";
import type { ProcessActionsProps } from "./ProcessActions";

interface ActionDialogsProps extends ProcessActionsProps {
  /** The requested action; null: none. */
  readonly asked: Action | null;
  readonly onClose: () => void;
}

/** Explains an action, then runs it. */
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
  readonly permanent: ReactNode | null;
  readonly confirm: string;
  readonly dangerous?: boolean;
}

/** Actions that are confirmed without a dry run. */
type Confirmed = Exclude<Action, "undo" | "pause" | "resume">;

function wordingOf(action: Confirmed, process: Process, groups: readonly ErrorGroup[]): Wording {
  const loaded = toNumber(process.counts?.succeeded);
  const retryable = groups
    .filter(({ code }) => RETRYABLE_CODES.includes(code))
    .reduce((sum, { count }) => sum + toNumber(count), 0);
  switch (action) {
    case "cancel":
      return {
        title: "Cancel this process?",
        what: (
          <>
            <p>
              Reading stops, and batches waiting in the queue are not loaded. Rows without an outcome become
              “unprocessed”.
            </p>
            {loaded > 0 && (
              <p>
                {plural(loaded, "loaded row")} will stay in the table
                {process.info?.repairsProcessId ? "." : "; undo the process afterwards to take them out."}
              </p>
            )}
          </>
        ),
        permanent: "a cancelled process cannot be resumed. To load the rest, upload the file again.",
        confirm: "Cancel process",
        dangerous: true,
      };
    case "retry":
      return {
        title: "Retry failed rows?",
        what: (
          <p>
            Rows whose failure may have been temporary ({formatCount(retryable)} errors with code{" "}
            {RETRYABLE_CODES.join(", ")}) run again from the stored file, in a new process. Rows that then
            succeed count as succeeded here. Rows that failed because of their values stay as they are.
          </p>
        ),
        permanent: null,
        confirm: "Retry",
      };
    case "delete":
      return {
        title: "Delete this process?",
        what: (
          <>
            <p>The file, the report, and the records of its batches and rows are removed.</p>
            <p>{whatStays(process)}</p>
          </>
        ),
        permanent:
          process.state === ProcessState.UNDONE
            ? "none of this can be restored."
            : "none of this can be restored, and the process can no longer be undone or repaired.",
        confirm: "Delete process",
        dangerous: true,
      };
  }
}

/** Every action except undo, which starts with a dry run. */
function SimpleDialog({ asked, process, groups, onClose }: ActionDialogsProps) {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const processId = process.info?.processId ?? "";
  const action = asked === "undo" || asked === "pause" || asked === "resume" ? null : asked;
  // Keeps the text while the dialog fades out.
  const [shown, setShown] = useState<Confirmed | null>(null);
  if (action !== null && action !== shown) setShown(action);

  const mutation = useMutation({
    mutationFn: async (what: Confirmed): Promise<string | null> => {
      switch (what) {
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
    onError: () => refetchProcess(queryClient, processId),
  });
  if (shown === null) return null;
  const { title, what, permanent, confirm, dangerous = false } = wordingOf(shown, process, groups);
  return (
    <ConfirmDialog
      opened={action !== null}
      title={title}
      permanent={hasChanged(mutation.error) ? null : permanent}
      confirm={confirm}
      dangerous={dangerous}
      busy={mutation.isPending}
      error={hasChanged(mutation.error) ? null : mutation.error}
      disabled={hasChanged(mutation.error)}
      onConfirm={() => mutation.mutate(shown)}
      onClose={() => {
        mutation.reset();
        onClose();
      }}
    >
      {hasChanged(mutation.error) ? <ChangedMeanwhile process={process} /> : what}
    </ConfirmDialog>
  );
}

interface UndoDialogProps {
  readonly opened: boolean;
  readonly process: Process;
  readonly onClose: () => void;
}

/** Shows what an undo would do, by a dry run, before it runs the undo. */
function UndoDialog({ opened, process, onClose }: UndoDialogProps) {
  const queryClient = useQueryClient();
  const processId = process.info?.processId ?? "";
  const dryRun = useQuery({
    queryKey: [...processKeys.parts(processId), "undo"],
    queryFn: ({ signal }) => processorClient.undoProcess({ processId, dryRun: true }, { signal }),
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
      permanent={
        dryRun.data === undefined
          ? null
          : "an undo cannot be reversed. To load the rows again, upload the file again."
      }
      confirm="Undo process"
      dangerous
      busy={undo.isPending}
      disabled={dryRun.data === undefined}
      error={undo.error}
      onConfirm={() => undo.mutate()}
      onClose={() => {
        undo.reset();
        onClose();
      }}
    >
      {dryRun.isError ? (
        <ErrorState error={dryRun.error} inline onRetry={() => void dryRun.refetch()} />
      ) : dryRun.data === undefined ? (
        <LoadingState lines={3} label="Running a dry run of the undo" />
      ) : (
        <>
          <p>The rows that the process and its repairs have loaded are taken out of the table:</p>
          <dl className={classes.counts}>
            <div>
              <dt>Rows removed</dt>
              <dd>{formatCount(dryRun.data.removed)}</dd>
            </div>
            <div>
              <dt>Rows restored</dt>
              <dd>{formatCount(dryRun.data.restored)}</dd>
            </div>
            <div>
              <dt>Rows left, changed since</dt>
              <dd>{formatCount(dryRun.data.kept)}</dd>
            </div>
          </dl>
        </>
      )}
    </ConfirmDialog>
  );
}
