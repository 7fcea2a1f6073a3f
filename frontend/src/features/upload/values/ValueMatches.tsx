import { Button, NativeSelect } from "@mantine/core";
import { useState } from "react";
import type { PipelineDocument } from "@/features/pipelines";
import classes from "./Values.module.css";
import { suggest, type Unmatched, withValues } from "./words";

interface ValueMatchesProps {
  readonly unmatched: Unmatched;
  readonly document: PipelineDocument;
  readonly onChange: (document: PipelineDocument) => void;
}

/** Shown at once; the others follow when these are matched. */
const MOST = 20;

/** Values of the file that a field does not take, and what each of them becomes. */
export function ValueMatches({ unmatched, document, onChange }: ValueMatchesProps) {
  const { field, values, options } = unmatched;
  const [chosen, setChosen] = useState<ReadonlyMap<string, string>>(new Map());
  const shown = values.slice(0, MOST);
  const targets = new Map(shown.map((value) => [value, chosen.get(value) ?? suggest(value, options)]));
  const matched = [...targets.values()].filter((target) => target !== "").length;
  return (
    <fieldset className={classes.values}>
      <legend>
        <strong>{field}</strong> does not take {values.length === 1 ? "this value" : "these values"} of the
        file. What {values.length === 1 ? "does it" : "do they"} mean?
      </legend>
      <div className={classes.pairs}>
        {shown.map((value) => (
          <div key={value} className={classes.pair}>
            <span>{value} →</span>
            <NativeSelect
              size="xs"
              aria-label={`${value} in ${field} becomes`}
              data={[{ value: "", label: "leave it: rejected" }, ...options]}
              value={targets.get(value) ?? ""}
              onChange={(event) => setChosen(new Map(chosen).set(value, event.currentTarget.value))}
            />
          </div>
        ))}
      </div>
      <Button
        size="xs"
        variant="default"
        disabled={matched === 0}
        onClick={() => {
          onChange(withValues(document, field, targets));
          setChosen(new Map());
        }}
      >
        Match {matched === 1 ? "this value" : `these ${matched} values`} of {field}
      </Button>
    </fieldset>
  );
}
