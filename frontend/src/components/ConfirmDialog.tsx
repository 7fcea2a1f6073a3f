import { Button, Modal } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./ConfirmDialog.module.css";
import { ErrorState } from "./ErrorState";

interface ConfirmDialogProps {
  readonly opened: boolean;
  readonly title: string;
  /** What the action will do. */
  readonly children: ReactNode;
  /** What cannot be reversed; null when everything can. */
  readonly permanent: ReactNode | null;
  readonly confirm: string;
  readonly dangerous?: boolean;
  readonly busy: boolean;
  /** Whether it cannot be confirmed yet, or at all. */
  readonly disabled?: boolean;
  readonly error: unknown;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

/** Says what an action will do, and what of it is permanent, before it runs. */
export function ConfirmDialog(props: ConfirmDialogProps) {
  const { opened, title, children, permanent, confirm, dangerous = false, busy, disabled, error } = props;
  return (
    <Modal
      opened={opened}
      onClose={props.onClose}
      title={title}
      closeButtonProps={{ "aria-label": "Close" }}
      size="md"
    >
      <div className={classes.dialog}>
        <div>{children}</div>
        {permanent !== null && (
          <div className={classes.permanent}>
            <strong>Permanent:</strong> {permanent}
          </div>
        )}
        {error !== null && error !== undefined && <ErrorState error={error} inline />}
        <div className={classes.buttons}>
          <Button variant="default" onClick={props.onClose} data-autofocus>
            Not now
          </Button>
          <Button
            color={dangerous ? "red" : undefined}
            loading={busy}
            disabled={disabled}
            onClick={props.onConfirm}
          >
            {confirm}
          </Button>
        </div>
      </div>
    </Modal>
  );
}
