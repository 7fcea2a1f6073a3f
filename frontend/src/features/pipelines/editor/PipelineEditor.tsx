import { Button, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useBlocker, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { pipelineClient } from "@/api/clients";
import { type Pipeline, PipelineService } from "@/api/contract";
import { ErrorState } from "@/components/ErrorState";
import { PageHeader } from "@/components/PageHeader";
import { RoleNeeded, useMay } from "@/features/access";
import { readDocument, writeDocument } from "../document/document";
import { pipelineKeys } from "../queries";
import { Compare } from "./Compare";
import { DeletePipeline } from "./DeletePipeline";
import { DocumentForm } from "./DocumentForm";
import { DraftStatus } from "./DraftStatus";
import classes from "./Editor.module.css";
import { useValidation } from "./use-validation";
import { Versions } from "./Versions";
import { Views } from "./Views";

interface PipelineEditorProps {
  /** The version being edited; null for a new pipeline. */
  readonly stored: Pipeline | null;
  readonly start: string;
}

/** Edits one document as forms or text; the server validates it while it is edited. Only authors change it. */
export function PipelineEditor({ stored, start }: PipelineEditorProps) {
  const { view = "form" } = useSearch({ from: "/pipelines/$name" });
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  // The text is the single source; the forms read and write it.
  const [text, setText] = useState(start);
  const read = readDocument(text);
  const dirty = text !== start;

  const maySave = useMay(PipelineService.method.applyPipeline);
  const mayDelete = useMay(PipelineService.method.deletePipeline);
  const validation = useValidation(text, maySave);
  const { violations } = validation;

  const save = useMutation({
    mutationFn: () => pipelineClient.applyPipeline({ documentJson: text }),
    onSuccess: async ({ pipeline }) => {
      await queryClient.invalidateQueries({ queryKey: pipelineKeys.all });
      await navigate({
        to: "/pipelines/$name",
        params: { name: pipeline?.name ?? "" },
        search: { view },
        ignoreBlocker: true,
      });
    },
  });

  useBlocker({
    shouldBlockFn: ({ current, next }) =>
      dirty &&
      current.pathname !== next.pathname &&
      !globalThis.confirm("Leave without saving this pipeline?"),
    enableBeforeUnload: () => dirty,
  });

  const title = stored === null ? "New pipeline" : stored.name;
  return (
    <>
      <PageHeader
        title={title}
        actions={stored !== null && mayDelete && <DeletePipeline name={stored.name} />}
      >
        {read.ok && read.document.title}
      </PageHeader>
      <div className={classes.tabs}>
        <Views view={view} compare={stored !== null} />
        {stored !== null && <Versions name={stored.name} version={stored.version} />}
      </div>
      {view === "compare" && stored !== null ? (
        <Compare stored={stored} text={text} dirty={dirty} />
      ) : view === "json" || !read.ok ? (
        <Textarea
          className={classes.json}
          aria-label="Document as JSON"
          autosize
          minRows={16}
          maxRows={40}
          spellCheck={false}
          value={text}
          readOnly={!maySave}
          error={read.ok ? undefined : read.message}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      ) : (
        <fieldset className={classes.whole} disabled={!maySave}>
          <legend className="visually-hidden">{title}</legend>
          <DocumentForm
            document={read.document}
            onChange={(document) => setText(writeDocument(document))}
            violations={violations}
            nameFixed={stored !== null}
          />
        </fieldset>
      )}
      {maySave ? (
        <div className={classes.bar}>
          <div role="status">
            <DraftStatus readable={read.ok} dirty={dirty} validation={validation} />
            {save.isError && <ErrorState inline error={save.error} />}
          </div>
          <Button
            disabled={!dirty || !read.ok || validation.state !== "valid"}
            loading={save.isPending}
            onClick={() => save.mutate()}
          >
            {stored === null ? "Save" : "Save as new version"}
          </Button>
        </div>
      ) : (
        <div className={classes.note}>
          <RoleNeeded to="To change this pipeline" method={PipelineService.method.applyPipeline} />
        </div>
      )}
    </>
  );
}
