import { useMemo, useState } from "react";
import type { InspectedColumn } from "@/api/contract";
import { type PipelineDocument, readDocument, writeDocument } from "@/features/pipelines";
import { withMatches } from "../map/labels";
import { type FieldMatch, matchPipeline } from "../map/plan";
import type { Decisions } from "../remembered/mapping-memory";
import { neededFields, unreadColumns } from "./not-loaded";

interface Edited {
  readonly name: string;
  readonly document: PipelineDocument;
}

/** An existing pipeline with the columns of a file: what was suggested, and what a person chose. */
export function useExisting(
  stored: PipelineDocument | null,
  name: string,
  columns: readonly InspectedColumn[] | undefined,
  labels: readonly string[],
  remembered: Decisions,
) {
  const [byHand, setByHand] = useState<ReadonlyMap<string, string>>(() => new Map(remembered.columns));
  const [edited, setEdited] = useState<Edited | null>(() => editedOf(remembered));
  const chosen = stored !== null && edited?.name === name ? edited.document : stored;
  const matches: readonly FieldMatch[] = useMemo(
    () => (chosen && columns ? matchPipeline(chosen, columns, byHand) : []),
    [chosen, columns, byHand],
  );
  const mapped = useMemo(
    () => (chosen === null ? null : withMatches(chosen, matches, new Set(labels))),
    [chosen, matches, labels],
  );
  const lacking = useMemo(() => {
    const needed = chosen === null ? new Set<string>() : neededFields(chosen);
    const without = matches.filter(({ label }) => label === null).map(({ field }) => field);
    return {
      needed: without.filter((field) => needed.has(field)),
      optional: without.filter((field) => !needed.has(field)),
    };
  }, [chosen, matches]);
  const unread = useMemo(
    () => (mapped === null ? [] : unreadColumns(mapped, labels, matches)),
    [mapped, labels, matches],
  );
  return {
    chosen,
    /** With the columns of the file. */
    mapped,
    matches,
    /** Fields without a column: those that every row needs, and the others. */
    lacking,
    unread,
    changed: mapped !== stored,
    match: (field: string, label: string) => setByHand(new Map(byHand).set(field, label)),
    /** Changes the pipeline otherwise than by choosing columns. */
    edit: (document: PipelineDocument) => setEdited({ name, document }),
    forgetMatches: () => {
      setByHand(new Map());
      setEdited(null);
    },
    decided: {
      columns: [...byHand],
      edited: edited === null ? null : { name: edited.name, document: writeDocument(edited.document) },
    },
  };
}

function editedOf({ edited }: Decisions): Edited | null {
  const read = edited === null ? null : readDocument(edited.document);
  return edited !== null && read?.ok ? { name: edited.name, document: read.document } : null;
}
