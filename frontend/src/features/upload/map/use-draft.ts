import { useMemo, useState } from "react";
import { type PipelineDocument, readDocument, writeDocument } from "@/features/pipelines";
import type { Decisions } from "../remembered/mapping-memory";
import { draftFrom, redraft } from "./plan";

interface Draft {
  /** The server's draft that it was made from. */
  readonly from: string;
  readonly document: PipelineDocument;
}

/** The new pipeline: the server's draft with what a person made of it, also after the file was read otherwise. */
export function useDraft(pipelineJson: string | undefined, remembered: Decisions) {
  const [draft, setDraft] = useState<Draft | null>(() => draftOf(remembered));
  const original = useMemo(
    () => (pipelineJson === undefined ? null : draftFrom(pipelineJson)),
    [pipelineJson],
  );
  let current = draft;
  if (original !== null && pipelineJson !== undefined && draft?.from !== pipelineJson) {
    const drafted = draft === null ? null : draftFrom(draft.from);
    current = {
      from: pipelineJson,
      document: draft === null || drafted === null ? original : redraft(drafted, draft.document, original),
    };
    setDraft(current);
  }
  return {
    original,
    draft: current?.document ?? null,
    setDraft: (document: PipelineDocument) => current && setDraft({ from: current.from, document }),
    decidedDraft:
      current === null || current.document === original
        ? null
        : { from: current.from, document: writeDocument(current.document) },
  };
}

/** The draft of an earlier visit. */
function draftOf({ draft }: Decisions): Draft | null {
  const read = draft === null ? null : readDocument(draft.document);
  return draft !== null && read?.ok ? { from: draft.from, document: read.document } : null;
}
