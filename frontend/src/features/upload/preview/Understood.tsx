import type { InspectedColumn, ReadValue } from "@/api/contract";
import { type FormatKeys, patternInWords, presented, remarks } from "./formats";
import classes from "./Understood.module.css";

interface UnderstoodProps {
  readonly column: InspectedColumn;
  readonly field: FormatKeys;
  /** Several readings fit, and the person has not chosen one. */
  readonly open: boolean;
  readonly values: readonly ReadValue[];
  /** The values are of the draft before. */
  readonly stale: boolean;
  readonly onChoose: (keys: FormatKeys) => void;
}

/** Values of a column as the file writes them and as they are understood; where that is in doubt, the choice. */
export function Understood({ column, field, open, values, stale, onChoose }: UnderstoodProps) {
  if (open) return <Candidates column={column} onChoose={onChoose} />;
  const notes = [
    ...remarks(field),
    ...(field.type === "string" && column.why !== "" ? [`Text: ${column.why}`] : []),
  ];
  return (
    <div className={classes.understood} data-stale={stale || undefined}>
      <Values type={field.type} values={values} />
      {notes.map((note) => (
        <div key={note} className="muted">
          {note}
        </div>
      ))}
    </div>
  );
}

function Values({ type, values }: { readonly type: string; readonly values: readonly ReadValue[] }) {
  return values.map(({ written, understood }) => {
    const shown = presented(type, understood);
    return (
      <div key={written} className={classes.value}>
        {written === shown ? (
          written
        ) : (
          <>
            <span className="muted">{written}</span> → {shown}
          </>
        )}
      </div>
    );
  });
}

function Candidates({
  column,
  onChoose,
}: {
  readonly column: InspectedColumn;
  readonly onChoose: (keys: FormatKeys) => void;
}) {
  return (
    <fieldset className={classes.candidates}>
      <legend>Which is right?</legend>
      {column.candidates.map(({ keysJson, values }) => {
        const keys = JSON.parse(keysJson) as FormatKeys;
        const format = typeof keys.format === "string" ? patternInWords(keys.format) : keys.type;
        return (
          <button key={keysJson} type="button" onClick={() => onChoose(keys)}>
            <strong>{format}</strong>
            <Values type={keys.type} values={values.slice(0, 1)} />
          </button>
        );
      })}
      <button type="button" onClick={() => onChoose({ type: "string" })}>
        <strong>Keep as text</strong>
      </button>
    </fieldset>
  );
}
