/** The state behind the mapping screen: the inspection, the decisions, and their dry run. */
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { describeError } from "@/api/errors";
import { labelOf, type PipelineDocument, Violations, writeDocument } from "@/features/pipelines";
import { stepsLackColumns, unreadColumns } from "../choice/not-loaded";
import { useChoices } from "../choice/use-choices";
import { useExisting } from "../choice/use-existing";
import { type Dialect, parseDialect, writeDialect } from "../preview/dialect";
import type { Decisions } from "../remembered/mapping-memory";
import { JSON_ROWS, NEW, NONE, type Target } from "./plan";
import { dryRunQuery, inspectionQuery } from "./queries";
import { useDraft } from "./use-draft";

interface PlanInput {
  readonly uploadId: string;
  readonly dialect: Dialect;
  /** The target in the address; undefined: the best guess. */
  readonly target: Target | undefined;
  /** How much of the file has been sent. */
  readonly stage: Stage;
  /** Whether the person may save a pipeline; else only stored ones can be used, as they are. */
  readonly mayWrite: boolean;
  /** What was decided about the upload earlier. */
  readonly remembered: Decisions;
}

/** "": too little to inspect; "begun": the first pieces; "sent": everything. */
type Stage = "" | "begun" | "sent";

/** A sample this large stands for the whole file. */
const ENOUGH_ROWS = 1000n;

/**
 * Inspects the first pieces while the others are being sent, and the whole file only if that was not enough:
 * a workbook cannot be read before its end.
 */
function useInspection(uploadId: string, dialectJson: string, stage: Stage) {
  const [early, setEarly] = useState(stage === "begun");
  if (stage === "begun" && !early) setEarly(true);
  const first = useQuery({ ...inspectionQuery(uploadId, dialectJson, "begun"), enabled: early });
  const enough =
    first.data !== undefined && !first.isPlaceholderData && first.data.sampledRows >= ENOUGH_ROWS;
  const again = stage === "sent" && !enough && !(early && first.isFetching);
  const whole = useQuery({ ...inspectionQuery(uploadId, dialectJson, "sent"), enabled: again });
  return again ? { query: whole, asked: "sent" } : { query: first, asked: "begun" };
}

export function usePlan({ uploadId, dialect, target: wanted, stage, mayWrite, remembered }: PlanInput) {
  const dialectJson = writeDialect(dialect);
  const { query: inspection, asked } = useInspection(uploadId, dialectJson, stage);
  const seen = inspection.data;

  const { original, draft, setDraft, decidedDraft } = useDraft(seen?.pipelineJson, remembered);
  const labels = useMemo(() => (seen?.columns ?? []).map(({ label }) => label), [seen]);
  const { documents, pipelines, deciding } = useChoices(seen?.columns, labels);
  // What has loaded such files before is what a person would choose. All else is theirs to decide.
  const known = pipelines.filter((pipeline) => pipeline.loadedBefore);
  const otherwise = deciding || !mayWrite ? NONE : NEW;
  const target =
    (wanted === NEW && !mayWrite ? undefined : wanted) ??
    (known.length === 1 ? known[0]?.name : undefined) ??
    otherwise;

  const existing = useExisting(documents.get(target) ?? null, target, seen?.columns, labels, remembered);
  const { mapped, lacking } = existing;

  const document = target === JSON_ROWS ? null : target === NEW ? draft : mapped;
  const documentJson = document === null ? "" : writeDocument(document);
  const [askedJson] = useDebouncedValue(documentJson, 200, { leading: true });
  const ready = seen !== undefined && (target === JSON_ROWS || askedJson !== "");
  const loadDialectJson =
    mapped !== null && lacking.optional.length > 0
      ? writeDialect(withoutOptional(dialect, mapped, labels))
      : dialectJson;
  const dryRun = useQuery({ ...dryRunQuery(uploadId, askedJson, loadDialectJson, asked), enabled: ready });

  const problem = dryRun.error ? describeError(dryRun.error) : null;
  const violations = useMemo(() => new Violations(problem?.violations ?? []), [problem?.violations]);

  return {
    inspection,
    dryRun,
    running: dryRun.isFetching || askedJson !== documentJson,
    violations,
    used: parseDialect(dryRun.data?.dialectJson || seen?.dialectJson || ""),
    /** The dialect that the file is loaded with. */
    dialectJson: loadDialectJson,
    /** Whether somebody declared that columns may be missing, whatever the fields say. */
    mayLackAny: [dialect, document?.dialect].some((declared) => declared?.missingColumns === "ignore"),
    /** The dialect that the person declared. */
    declaredJson: dialectJson,
    target,
    deciding,
    pipelines,
    /** The table that the rows go into, as it is now; undefined while that is not known. */
    table:
      dryRun.data?.table?.name === document?.sink.table && document !== null ? dryRun.data?.table : undefined,
    ...existing,
    /** Columns of the file that would not be loaded. */
    unread: target === NEW ? unreadOfDraft(draft, labels) : existing.unread,
    version: pipelines.find(({ name }) => name === target)?.version ?? 0,
    original,
    draft,
    setDraft,
    decisions: { draft: decidedDraft, ...existing.decided } as Decisions,
    document,
    /** The column of the file that a field of the document is read from; null: none. */
    columnOf: (field: string): string | null =>
      target === NEW
        ? draft === null
          ? null
          : labelOf(draft, field)
        : (existing.matches.find((match) => match.field === field)?.label ?? null),
    mayWrite,
    /** Whether the chosen pipeline must be saved with a changed mapping. */
    changed: target !== NEW && target !== JSON_ROWS && existing.changed,
  };
}

/** Fields that need no value may go without a column in this file. */
function withoutOptional(dialect: Dialect, mapped: PipelineDocument, labels: readonly string[]): Dialect {
  if (dialect.missingColumns !== undefined || stepsLackColumns(mapped, labels)) return dialect;
  return { ...dialect, missingColumns: "ignore" };
}

function unreadOfDraft(document: PipelineDocument | null, labels: readonly string[]): readonly string[] {
  if (document === null) return [];
  const read = document.schema.fields.map(({ name }) => ({ label: labelOf(document, name) }));
  return unreadColumns(document, labels, read);
}

export type Plan = ReturnType<typeof usePlan>;
