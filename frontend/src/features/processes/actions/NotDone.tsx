import { Modal } from "@mantine/core";
import type { Process } from "@/api/contract";
import { ErrorState } from "@/components/ErrorState";
import { ChangedMeanwhile, hasChanged } from "./changed";

interface NotDoneProps {
  readonly title: string;
  readonly error: unknown;
  readonly process: Process;
  readonly onClose: () => void;
}

/** Says why an action that runs at once was not done. */
export function NotDone({ title, error, process, onClose }: NotDoneProps) {
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      {hasChanged(error) ? <ChangedMeanwhile process={process} /> : <ErrorState error={error} inline />}
    </Modal>
  );
}
