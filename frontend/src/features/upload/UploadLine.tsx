import { ActionIcon, Progress, Tooltip } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay, IconX } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { LinkButton } from "@/components/LinkButton";
import { QuotaFacts } from "@/components/QuotaFacts";
import type { UploadPhase, UploadSnapshot } from "./engine/task";
import { phaseText, sentPercent } from "./phases";
import classes from "./UploadLine.module.css";
import { uploadActions } from "./use-uploads";

const MOVING: readonly UploadPhase[] = ["sending", "reconnecting"];
const HELD: readonly UploadPhase[] = ["paused", "failed"];
const ENDED: readonly UploadPhase[] = ["completed", "cancelled", "refused"];

interface UploadLineProps {
  readonly upload: UploadSnapshot;
  /** Shown on the mapping screen itself. */
  readonly mapping?: boolean;
}

/** An upload of this page: its progress and its actions. */
export function UploadLine({ upload, mapping = false }: UploadLineProps) {
  const { key, phase } = upload;
  const bad = phase === "failed" || phase === "refused";
  return (
    <li className={classes.line}>
      <div className={classes.text}>
        <div className={classes.name}>{upload.fileName}</div>
        <div className={classes.phase} data-bad={bad || undefined}>
          {phaseText(upload)}
        </div>
        {!ENDED.includes(phase) && (
          <Progress
            value={sentPercent(upload.received, upload.size)}
            size={5}
            mt={6}
            color={phase === "reconnecting" || phase === "paused" ? "gray" : undefined}
            aria-label={`Sending ${upload.fileName}`}
          />
        )}
        {upload.problem !== null && (
          <p className={classes.problem}>
            <strong>{upload.problem.title}.</strong> {upload.problem.happened}{" "}
            <QuotaFacts problem={upload.problem} /> {upload.problem.advice}{" "}
            {upload.problem.code !== "" && <code>{upload.problem.code}</code>}
          </p>
        )}
        {upload.earlierProcessId !== "" && upload.repairs === "" && phase !== "completed" && (
          <p className={classes.problem}>
            This file was uploaded before:{" "}
            <Link to="/processes/$processId" params={{ processId: upload.earlierProcessId }}>
              see its process
            </Link>
            . If you start it, its rows are loaded again.
          </p>
        )}
      </div>
      <div className={classes.actions}>
        {!mapping && <MainAction upload={upload} />}
        {MOVING.includes(phase) && (
          <IconButton
            label={`Pause ${upload.fileName}`}
            icon={IconPlayerPause}
            onClick={() => uploadActions.pause(key)}
          />
        )}
        {HELD.includes(phase) && (
          <IconButton
            label={`Resume ${upload.fileName}`}
            icon={IconPlayerPlay}
            onClick={() => uploadActions.resume(key)}
          />
        )}
        {ENDED.includes(phase) ? (
          <IconButton
            label={`Remove ${upload.fileName} from the list`}
            icon={IconX}
            onClick={() => uploadActions.dismiss(key)}
          />
        ) : (
          phase !== "completing" && (
            <IconButton
              label={`Cancel ${upload.fileName} and discard what was sent`}
              icon={IconX}
              onClick={() => void uploadActions.cancel(key)}
            />
          )
        )}
      </div>
    </li>
  );
}

function MainAction({ upload }: { readonly upload: UploadSnapshot }) {
  if (upload.phase === "completed") {
    return (
      <LinkButton
        size="xs"
        variant="default"
        to="/processes/$processId"
        params={{ processId: upload.processId }}
      >
        Open process
      </LinkButton>
    );
  }
  if (
    upload.uploadId === "" ||
    ENDED.includes(upload.phase) ||
    upload.phase === "completing" ||
    upload.repairs
  ) {
    return null;
  }
  return (
    <LinkButton size="xs" to="/upload/$uploadId" params={{ uploadId: upload.uploadId }}>
      Map columns
    </LinkButton>
  );
}

interface IconButtonProps {
  readonly label: string;
  readonly icon: typeof IconX;
  readonly onClick: () => void;
}

function IconButton({ label, icon: Icon, onClick }: IconButtonProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" size={30} aria-label={label} onClick={onClick}>
        <Icon size={16} stroke={1.75} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
