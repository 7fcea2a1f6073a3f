import { ActionIcon, Button, Checkbox, NativeSelect, TextInput, Tooltip } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconTrash } from "@tabler/icons-react";
import { useId } from "react";
import { asList, withKey } from "../document/document";
import type { Violations } from "../document/pointers";
import { newStep, readPairs, type StepForm, type StepKey, writePairs } from "../document/steps";
import type { Step } from "../document/types";
import { DraftInput, readList } from "./DraftInput";
import classes from "./Editor.module.css";

interface StepsEditorProps {
  /** "transforms", "filters" or "rules": the document's key. */
  readonly place: string;
  /** What one step is called. */
  readonly noun: string;
  readonly steps: readonly Step[];
  readonly forms: Readonly<Record<string, StepForm>>;
  readonly kindOf: (step: Step) => string;
  readonly onChange: (steps: readonly Step[]) => void;
  readonly violations: Violations;
}

/** An ordered list of steps, each with the form of its kind. */
export function StepsEditor(props: StepsEditorProps) {
  const { place, noun, steps, forms, kindOf, onChange, violations } = props;
  const kinds = Object.keys(forms);
  const add = (kind: string) => onChange([...steps, newStep(forms, kind)]);
  const move = (from: number, to: number) => {
    const next = [...steps];
    next.splice(to, 0, ...next.splice(from, 1));
    onChange(next);
  };
  return (
    <div>
      {steps.length === 0 && <p className="muted">None.</p>}
      <ol className={classes.steps}>
        {steps.map((step, index) => {
          const kind = kindOf(step);
          const form = forms[kind];
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: a step has no name of its own, and inputs hold no state.
            <li key={index} className={classes.step}>
              <div className={classes.stepHead}>
                <strong>
                  {index + 1}. {form?.title ?? `Plug-in ${kind}`}
                </strong>
                <span className="muted">{form?.does ?? "Edit it in the JSON view"}</span>
                <span className={classes.stepTools}>
                  <Tool
                    label={`Move ${noun} ${index + 1} up`}
                    icon={IconArrowUp}
                    disabled={index === 0}
                    onClick={() => move(index, index - 1)}
                  />
                  <Tool
                    label={`Move ${noun} ${index + 1} down`}
                    icon={IconArrowDown}
                    disabled={index === steps.length - 1}
                    onClick={() => move(index, index + 1)}
                  />
                  <Tool
                    label={`Remove ${noun} ${index + 1}`}
                    icon={IconTrash}
                    onClick={() => onChange(steps.filter((_, at) => at !== index))}
                  />
                </span>
              </div>
              {form !== undefined && (
                <div className={classes.grid}>
                  {form.keys.map((key) => (
                    <StepInput
                      key={key.key}
                      input={key}
                      step={step}
                      onChange={(next) => onChange(steps.map((other, at) => (at === index ? next : other)))}
                      error={violations.textWithin(place, index, key.key)}
                    />
                  ))}
                </div>
              )}
              <Unplaced violations={violations} place={place} index={index} keys={form?.keys ?? []} />
            </li>
          );
        })}
      </ol>
      {kinds.length === 1 ? (
        <Button size="xs" variant="default" onClick={() => add(kinds[0] ?? "")}>
          Add a {noun}
        </Button>
      ) : (
        <NativeSelect
          size="xs"
          w={220}
          aria-label={`Add a ${noun}`}
          data={[
            { value: "", label: `Add a ${noun} …` },
            ...kinds.map((kind) => ({ value: kind, label: forms[kind]?.title ?? kind })),
          ]}
          value=""
          onChange={(event) => event.currentTarget.value !== "" && add(event.currentTarget.value)}
        />
      )}
    </div>
  );
}

/** Violations of a step that belong to none of its inputs. */
function Unplaced({
  violations,
  place,
  index,
  keys,
}: {
  readonly violations: Violations;
  readonly place: string;
  readonly index: number;
  readonly keys: readonly StepKey[];
}) {
  const shown = new Set(keys.flatMap(({ key }) => violations.within(place, index, key)));
  const others = violations.within(place, index).filter((violation) => !shown.has(violation));
  if (others.length === 0) return null;
  return <p className={classes.bad}>{others.map(({ description }) => description).join("; ")}</p>;
}

interface StepInputProps {
  readonly input: StepKey;
  readonly step: Step;
  readonly onChange: (step: Step) => void;
  readonly error: string | undefined;
}

function StepInput({ input, step, onChange, error }: StepInputProps) {
  const { key, label, value: kind } = input;
  const id = useId();
  const value = step[key];
  // An empty text may be intentional (replace with nothing); empty lists and counts are left out.
  const set = (next: unknown) =>
    onChange(
      typeof next === "string" && next === "" && value !== undefined
        ? { ...step, [key]: "" }
        : withKey(step, key, next),
    );
  switch (kind.kind) {
    case "flag":
      return (
        <Checkbox
          size="xs"
          label={label}
          checked={value === true}
          onChange={(event) => set(event.currentTarget.checked || undefined)}
          mt={24}
        />
      );
    case "choice":
      return (
        <NativeSelect
          size="xs"
          label={label}
          data={[...kind.values]}
          value={String(value ?? kind.values[0])}
          error={error}
          onChange={(event) => set(event.currentTarget.value)}
        />
      );
    case "list":
      return (
        <DraftInput
          label={label}
          description="Separated by commas"
          text={asList(value).join(", ")}
          error={error}
          onText={(text) => onChange({ ...step, [key]: readList(text) })}
        />
      );
    case "pairs":
      return (
        <DraftInput
          label={label}
          rows={4}
          text={writePairs(value)}
          error={error}
          onText={(text) => onChange({ ...step, [key]: readPairs(text) })}
        />
      );
    case "count":
      return (
        <DraftInput
          label={label}
          type="number"
          text={value === undefined ? "" : String(value)}
          error={error}
          onText={(text) => set(text === "" ? undefined : Number(text))}
        />
      );
    case "long":
      return (
        <div className={classes.wide}>
          <DraftInput
            label={label}
            rows={2}
            text={String(value ?? "")}
            placeholder={kind.placeholder}
            error={error}
            onText={set}
          />
        </div>
      );
    case "text":
      return (
        <TextInput
          id={id}
          size="xs"
          label={label}
          placeholder={kind.placeholder}
          value={String(value ?? "")}
          error={error}
          onChange={(event) => set(event.currentTarget.value)}
        />
      );
  }
}

interface ToolProps {
  readonly label: string;
  readonly icon: typeof IconTrash;
  readonly onClick: () => void;
  readonly disabled?: boolean;
}

function Tool({ label, icon: Icon, onClick, disabled = false }: ToolProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size={26}
        aria-label={label}
        disabled={disabled}
        onClick={onClick}
      >
        <Icon size={15} stroke={1.75} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
