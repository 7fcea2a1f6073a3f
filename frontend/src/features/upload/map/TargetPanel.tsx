import { NativeSelect, TextInput } from "@mantine/core";
import type { ReactNode } from "react";
import { Panel } from "@/components/Panel";
import { asList, type PipelineDocument, type Violations, withKey } from "@/features/pipelines";
import classes from "./Map.module.css";
import { JSON_ROWS, NEW, NONE, type Target } from "./plan";

export interface PipelineChoice {
  readonly name: string;
  readonly version: number;
  /** As the document names it; "" for a sink that is no table. */
  readonly table: string;
  /** How well it fits the file, 0 to 1; null while unknown. */
  readonly fit: number | null;
  /** Columns of the file that it would not load. */
  readonly unread: readonly string[];
  /** Whether it has loaded a file with the same columns. */
  readonly loadedBefore: boolean;
}

/** The pipeline that suits a file best; null if none does. */
export function bestOf(pipelines: readonly PipelineChoice[]): PipelineChoice | null {
  const rank = ({ loadedBefore, fit }: PipelineChoice) => (loadedBefore ? 1 : 0) + (fit ?? 0);
  return pipelines.reduce<PipelineChoice | null>(
    (found, choice) =>
      (choice.loadedBefore || (choice.fit ?? 0) > 0.5) && (found === null || rank(choice) > rank(found))
        ? choice
        : found,
    null,
  );
}

interface TargetPanelProps {
  readonly target: Target;
  readonly onTarget: (target: Target) => void;
  readonly pipelines: readonly PipelineChoice[];
  readonly draft: PipelineDocument | null;
  readonly onDraft: (draft: PipelineDocument) => void;
  readonly violations: Violations;
  /** Whether the person may save a new pipeline. */
  readonly mayWrite: boolean;
  /** What to know about the choice. */
  readonly children?: ReactNode;
}

/** Where the rows go: through a new pipeline, an existing one, or as JSON rows. */
export function TargetPanel(props: TargetPanelProps) {
  const { target, onTarget, pipelines, draft, onDraft, violations, mayWrite } = props;
  const existing = target !== NEW && target !== JSON_ROWS && target !== NONE;
  const best = bestOf(pipelines);
  return (
    <Panel title="Destination">
      <div className={classes.targets} role="radiogroup" aria-label="Destination">
        {mayWrite && (
          <TargetChoice
            checked={target === NEW}
            title="New pipeline"
            text="Drafted from the file: a table with typed columns. You can use it again."
            onChoose={() => onTarget(NEW)}
          />
        )}
        <TargetChoice
          checked={existing}
          title="Existing pipeline"
          text={
            pipelines.length === 0
              ? "None yet."
              : best === null
                ? "None of them fits this file."
                : `${best.name} ${best.loadedBefore ? "has loaded such files" : "fits this file"}.`
          }
          disabled={pipelines.length === 0}
          onChoose={() => onTarget(best?.name ?? pipelines[0]?.name ?? NEW)}
        />
        <TargetChoice
          checked={target === JSON_ROWS}
          title="JSON rows"
          text="Every row becomes a JSON object of strings, without validation."
          onChoose={() => onTarget(JSON_ROWS)}
        />
      </div>
      {existing && (
        <div className={classes.settings}>
          <NativeSelect
            label="Pipeline"
            data={pipelines.map(({ name, version, fit }) => ({
              value: name,
              label: `${name} @${version}${fit !== null && fit > 0.5 ? ` · fits ${Math.round(fit * 100)}%` : ""}`,
            }))}
            value={target}
            onChange={(event) => onTarget(event.currentTarget.value)}
          />
        </div>
      )}
      {target === NEW && draft !== null && (
        <DraftSettings
          draft={draft}
          onDraft={onDraft}
          violations={violations}
          taken={pipelines.find(({ name }) => name === draft.name)}
        />
      )}
      {props.children}
    </Panel>
  );
}

interface TargetChoiceProps {
  readonly checked: boolean;
  readonly title: string;
  readonly text: string;
  readonly disabled?: boolean;
  readonly onChoose: () => void;
}

function TargetChoice({ checked, title, text, disabled = false, onChoose }: TargetChoiceProps) {
  return (
    <label className={classes.target}>
      <input type="radio" name="target" checked={checked} disabled={disabled} onChange={onChoose} />
      <span>
        <strong>{title}</strong>
        {text}
      </span>
    </label>
  );
}

interface DraftSettingsProps {
  readonly draft: PipelineDocument;
  readonly onDraft: (draft: PipelineDocument) => void;
  readonly violations: Violations;
  readonly taken: PipelineChoice | undefined;
}

function DraftSettings({ draft, onDraft, violations, taken }: DraftSettingsProps) {
  const key = asList(draft.schema.primaryKey);
  return (
    <div className={classes.settings}>
      <TextInput
        label="Pipeline name"
        description={
          taken ? `This name exists: saves version ${taken.version + 1}` : "For use with other files"
        }
        value={draft.name}
        error={violations.at("name")}
        onChange={(event) => onDraft({ ...draft, name: event.currentTarget.value })}
      />
      <TextInput
        label="Table"
        description="table or schema.table; created if it does not exist"
        value={draft.sink.table ?? ""}
        error={violations.at("sink", "table")}
        onChange={(event) => onDraft({ ...draft, sink: { ...draft.sink, table: event.currentTarget.value } })}
      />
      <NativeSelect
        label="When a row already exists"
        description={`Matched by the key: ${key.join(", ") || "choose fields below"}`}
        data={[
          { value: "append", label: "Reject the new row" },
          { value: "upsert", label: "Replace the row (upsert)" },
        ]}
        value={draft.sink.mode ?? "append"}
        error={
          violations.at("sink") ??
          violations.at("sink", "mode") ??
          violations.textWithin("sink", "key") ??
          violations.textWithin("schema", "primaryKey")
        }
        onChange={(event) => {
          const mode = event.currentTarget.value;
          onDraft({ ...draft, sink: withKey(draft.sink, "mode", mode === "append" ? undefined : mode) });
        }}
      />
    </div>
  );
}
