/** The state behind the mapping screen: the inspection, the decisions, and their dry run. */
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { describeError } from "@/api/errors";
import { type PipelineDocument, readDocument, Violations, writeDocument } from "@/features/pipelines";
import { pipelinesQuery } from "@/features/pipelines/queries";
import { type Dialect, parseDialect, writeDialect } from "../preview/dialect";
import { fitOf } from "./matching";
import {
  draftFrom,
  type FieldMatch,
  JSON_ROWS,
  matchPipeline,
  NEW,
  redraft,
  type Target,
  withMatches,
} from "./plan";
import { dryRunQuery, inspectionQuery } from "./queries";
import type { PipelineChoice } from "./TargetPanel";

interface PlanInput {
  readonly uploadId: string;
  readonly fileName: string;
  readonly dialect: Dialect;
  /** The target in the address; undefined: the best guess. */
  readonly target: Target | undefined;
  /** How much of the file has been sent. */
  readonly stage: Stage;
  /** Whether the person may save a pipeline; else only stored ones can be used, as they are. */
  readonly mayWrite: boolean;
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

export function usePlan({ uploadId, fileName, dialect, target: wanted, stage, mayWrite }: PlanInput) {
  const dialectJson = writeDialect(dialect);
  const { query: inspection, asked } = useInspection(uploadId, dialectJson, stage);
  const seen = inspection.data;
  const stored = useQuery(pipelinesQuery());

  // A new dialect makes a new draft; decisions made by hand stay.
  const [draft, setDraft] = useState<{ readonly from: string; readonly document: PipelineDocument } | null>(
    null,
  );
  const original = useMemo(
    () => (seen === undefined ? null : draftFrom(seen.pipelineJson, fileName)),
    [seen, fileName],
  );
  let current = draft;
  if (original !== null && seen !== undefined && draft?.from !== seen.pipelineJson) {
    current = {
      from: seen.pipelineJson,
      document: draft === null ? original : redraft(original, draft.document),
    };
    setDraft(current);
  }

  const documents = useMemo(() => {
    const found = new Map<string, PipelineDocument>();
    for (const pipeline of stored.data ?? []) {
      const read = readDocument(pipeline.documentJson);
      if (read.ok) found.set(pipeline.name, read.document);
    }
    return found;
  }, [stored.data]);

  const pipelines = useMemo(
    () =>
      (stored.data ?? []).map(({ name, version }): PipelineChoice => {
        const document = documents.get(name);
        const fit = document && seen ? fitOf(matchPipeline(document, seen.columns, new Map())) : null;
        return { name, version, fit };
      }),
    [stored.data, documents, seen],
  );
  // A pipeline that almost certainly fits is what a person would choose.
  const guess = pipelines
    .filter(({ fit }) => (fit ?? 0) >= 0.95)
    .sort((a, b) => (b.fit ?? 0) - (a.fit ?? 0))[0];
  const otherwise = mayWrite ? NEW : (pipelines[0]?.name ?? JSON_ROWS);
  const target = (wanted === NEW && !mayWrite ? undefined : wanted) ?? guess?.name ?? otherwise;

  const [byHand, setByHand] = useState<ReadonlyMap<string, string>>(new Map());
  const chosen = documents.get(target) ?? null;
  const matches: readonly FieldMatch[] = useMemo(
    () => (chosen && seen ? matchPipeline(chosen, seen.columns, byHand) : []),
    [chosen, seen, byHand],
  );
  const mapped = useMemo(() => (chosen === null ? null : withMatches(chosen, matches)), [chosen, matches]);

  const document = target === JSON_ROWS ? null : target === NEW ? (current?.document ?? null) : mapped;
  const documentJson = document === null ? "" : writeDocument(document);
  const [askedJson] = useDebouncedValue(documentJson, 200, { leading: true });
  const ready = seen !== undefined && (target === JSON_ROWS || askedJson !== "");
  const dryRun = useQuery({ ...dryRunQuery(uploadId, askedJson, dialectJson, asked), enabled: ready });

  const problem = dryRun.error ? describeError(dryRun.error) : null;
  const violations = useMemo(() => new Violations(problem?.violations ?? []), [problem?.violations]);

  return {
    inspection,
    dryRun,
    running: dryRun.isFetching || askedJson !== documentJson,
    violations,
    used: parseDialect(dryRun.data?.dialectJson || seen?.dialectJson || ""),
    dialectJson,
    target,
    pipelines,
    version: pipelines.find(({ name }) => name === target)?.version ?? 0,
    original,
    draft: current?.document ?? null,
    setDraft: (next: PipelineDocument) => current && setDraft({ from: current.from, document: next }),
    chosen,
    matches,
    match: (field: string, label: string) => setByHand(new Map(byHand).set(field, label)),
    forgetMatches: () => setByHand(new Map()),
    document,
    mayWrite,
    /** Whether the chosen pipeline must be saved with a changed mapping. */
    changed: target !== NEW && target !== JSON_ROWS && mapped !== chosen,
  };
}

export type Plan = ReturnType<typeof usePlan>;
