import { Button, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { pipelineClient, uploadClient } from "@/api/clients";
import { type Upload, UploadService } from "@/api/contract";
import { isTransient } from "@/api/errors";
import { ErrorState } from "@/components/ErrorState";
import { RoleNeeded, useMay } from "@/features/access";
import { writeDocument } from "@/features/pipelines";
import { pipelineKeys } from "@/features/pipelines/queries";
import { plural } from "@/lib/format";
import { listed } from "../choice/not-loaded";
import type { UploadSnapshot } from "../engine/task";
import { forget } from "../remembered/mapping-memory";
import { signature } from "../several/same-columns";
import { type SentFile, useSentFiles } from "../several/use-sent-files";
import { uploadActions } from "../use-uploads";
import type { Duplicates } from "../values/use-duplicates";
import classes from "./Map.module.css";
import { JSON_ROWS, mayLackColumns, NEW, NONE, undecided } from "./plan";
import type { Plan } from "./use-plan";

interface StartBarProps {
  readonly plan: Plan;
  /** Rows that repeat the key, as far as they are counted. */
  readonly duplicates: Duplicates;
  readonly upload: Upload;
  /** The upload in this page; null after a reload. */
  readonly local: UploadSnapshot | null;
  /** Whether the server has the whole file. */
  readonly sent: boolean;
}

/**
 * Says what Start will do, or what prevents it; saves the pipeline and starts the ingestion. Who may only write
 * pipelines saves one that was tried on the file.
 */
export function StartBar({ plan, duplicates, upload, local, sent }: StartBarProps) {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  // A name: save the changed mapping as a new pipeline. Null: as the next version.
  const [otherName, setOtherName] = useState<string | null>(null);

  const mayStart = useMay(UploadService.method.completeUpload);
  const others = useOthers(upload.uploadId, plan);

  const begin = useMutation({
    mutationFn: async (all: boolean) => {
      const pipeline = await savedPipeline(plan, otherName);
      await queryClient.invalidateQueries({ queryKey: pipelineKeys.all });
      await forget(upload.uploadId);
      if (!mayStart) {
        await navigate({ to: "/pipelines/$name", params: { name: pipeline.replace(/@.*/, "") } });
        return "";
      }
      const completion = { pipeline, dialectJson: plan.dialectJson };
      if (all) {
        for (const { key, uploadId } of others) {
          uploadActions.complete(key, completion);
          await forget(uploadId);
        }
        await navigate({ to: "/upload" });
      }
      if (local !== null) {
        uploadActions.complete(local.key, completion);
        return "";
      }
      // The file was sent before a reload: without it there is nothing to hash.
      return (await uploadClient.completeUpload({ uploadId: upload.uploadId, ...completion })).processId;
    },
    retry: (_count, error) => isTransient(error),
    onSuccess: (processId) => {
      if (processId !== "")
        void navigate({ to: "/processes/$processId", params: { processId }, replace: true });
    },
  });

  const obstacle = obstacleOf(plan, local !== null || sent || !mayStart);
  const saves = plan.mayWrite && (plan.target === NEW || plan.changed);
  // A refused completion comes back as a failed upload, which can be started again.
  const waiting = local?.phase === "completing" || (begin.isSuccess && local?.phase !== "failed");
  return (
    <div className={classes.bar}>
      <div className={classes.barText} role="status">
        {obstacle ??
          (mayStart
            ? whatStarts(plan, duplicates, sent, waiting)
            : saves && "Saves the pipeline for other files.")}
        {!mayStart && <RoleNeeded to="To load this file" method={UploadService.method.completeUpload} />}
        {begin.isError && <ErrorState inline error={begin.error} />}
      </div>
      {plan.changed && plan.mayWrite && obstacle === null && (
        <fieldset className={classes.saving}>
          <legend className="visually-hidden">Save the changed mapping</legend>
          <label>
            <input
              type="radio"
              name="saving"
              checked={otherName === null}
              onChange={() => setOtherName(null)}
            />
            Save as version {plan.version + 1} of {plan.target}
          </label>
          <label>
            <input
              type="radio"
              name="saving"
              checked={otherName !== null}
              onChange={() => setOtherName(plan.original?.name ?? `${plan.target}-2`)}
            />
            Save as a new pipeline
          </label>
          {otherName !== null && (
            <TextInput
              size="xs"
              aria-label="New pipeline name"
              value={otherName}
              onChange={(event) => setOtherName(event.currentTarget.value)}
            />
          )}
        </fieldset>
      )}
      {(mayStart || saves) && (
        <Button
          disabled={obstacle !== null || plan.running}
          loading={begin.isPending || waiting}
          onClick={() => begin.mutate(false)}
        >
          {mayStart ? "Start" : "Save pipeline"}
        </Button>
      )}
      {mayStart && others.length > 0 && (
        <Button
          disabled={obstacle !== null || plan.running || begin.isPending || waiting}
          onClick={() => begin.mutate(true)}
        >
          Start all {others.length + 1} files
        </Button>
      )}
    </div>
  );
}

/** Other files of this page that are sent and have the same columns: one mapping is for all of them. */
function useOthers(uploadId: string, plan: Plan): readonly SentFile[] {
  const files = useSentFiles(plan.declaredJson);
  const columns = plan.inspection.data?.columns.map(({ label }) => label);
  if (columns === undefined) return [];
  return files.filter(
    (file) =>
      file.uploadId !== uploadId &&
      file.columns !== undefined &&
      signature(file.columns) === signature(columns),
  );
}

/** Saves the pipeline if needed and returns its name and version for CompleteUpload. */
async function savedPipeline(plan: Plan, otherName: string | null): Promise<string> {
  if (plan.target === JSON_ROWS || plan.document === null) return "";
  if (plan.target !== NEW && !plan.changed) return `${plan.target}@${plan.version}`;
  const document =
    otherName === null || plan.target === NEW ? plan.document : { ...plan.document, name: otherName };
  const { pipeline } = await pipelineClient.applyPipeline({ documentJson: writeDocument(document) });
  return `${pipeline?.name}@${pipeline?.version}`;
}

function obstacleOf(plan: Plan, fileAtHand: boolean): string | null {
  if (plan.target === NONE) return plan.deciding ? "" : "Choose where the rows go.";
  if (plan.violations.count > 0) return `Correct ${plural(plan.violations.count, "error")} first.`;
  const doubtful = undecided(plan.document);
  if (doubtful.length > 0) {
    return `Choose how ${doubtful
      .slice(0, 3)
      .map((label) => `“${label}”`)
      .join(", ")}${doubtful.length > 3 ? " and others" : ""} ${doubtful.length === 1 ? "is" : "are"} read.`;
  }
  const missing = plan.lacking.needed;
  const allowed = plan.mayLackAny || mayLackColumns(plan.document);
  if (missing.length > 0 && !allowed) {
    return `Choose a column for ${missing.slice(0, 3).join(", ")}${missing.length > 3 ? " and others" : ""}.`;
  }
  if (plan.dryRun.isError) return "The dry run of the first rows failed.";
  if (plan.changed && !plan.mayWrite) {
    return `The columns of this file are named otherwise than ${plan.target} reads them. Rename them in the file, or ask an author of your tenant to map them.`;
  }
  return fileAtHand ? null : "Send the rest of the file first.";
}

function whatStarts(plan: Plan, duplicates: Duplicates, sent: boolean, waiting: boolean): string {
  if (waiting)
    return sent
      ? "Starting …"
      : "Starts as soon as the whole file is sent. You can use other screens meanwhile.";
  const table = plan.document?.sink.table;
  const where = plan.target === JSON_ROWS ? "Loads every row as JSON" : `Loads valid rows into ${table}`;
  const failed = plan.dryRun.data?.counts?.failed ?? 0n;
  const bad = failed > 0n ? "; rejected rows are listed in a report that you can correct" : "";
  const later = sent ? "" : " Starts as soon as the whole file is sent.";
  const without = plan.lacking.optional;
  const lacking = without.length > 0 ? ` No column for: ${listed(without)}.` : "";
  const unread = plan.unread.length > 0 ? ` Will not load: ${listed(plan.unread)}.` : "";
  const repeated = duplicates?.found?.duplicateCount ?? 0n;
  const twice =
    repeated > 0n && plan.document?.sink.mode !== "upsert"
      ? ` ${plural(repeated, "row")} with a key that is there twice will be rejected.`
      : "";
  return `${where}${bad}.${twice}${unread}${lacking}${later}`;
}
