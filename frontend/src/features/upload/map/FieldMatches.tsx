import { NativeSelect } from "@mantine/core";
import type { InspectedColumn } from "@/api/contract";
import table from "@/components/DataTable.module.css";
import type { PipelineDocument, PipelineField } from "@/features/pipelines";
import { KnownLabels } from "../choice/KnownLabels";
import { neededFields } from "../choice/not-loaded";
import { Confidence } from "./Confidence";
import { columnOf, otherLabels, withoutLabel } from "./labels";
import classes from "./Map.module.css";
import { type FieldMatch, mayLackColumns } from "./plan";

interface FieldMatchesProps {
  readonly document: PipelineDocument;
  /** The document with the columns of the file. */
  readonly mapped: PipelineDocument;
  readonly columns: readonly InspectedColumn[];
  readonly matches: readonly FieldMatch[];
  /** Null: the person may not save another mapping. */
  readonly onMatch: ((field: string, label: string) => void) | null;
  /** Changes the pipeline otherwise. */
  readonly onEdit: (document: PipelineDocument) => void;
}

/** The fields of a pipeline, and the file columns that they are read from. */
export function FieldMatches(props: FieldMatchesProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section className={table.scroll} tabIndex={0} aria-label="Fields and columns">
      <table className={`${table.table} ${classes.fields}`}>
        <thead>
          <tr>
            <th scope="col">Pipeline field</th>
            <th scope="col">File column</th>
            <th scope="col">Confidence</th>
            <th scope="col">Examples</th>
          </tr>
        </thead>
        <tbody>
          {props.matches.map((match, index) => {
            const field = props.document.schema.fields[index];
            return field && <FieldMatchRow key={match.field} {...props} match={match} field={field} />;
          })}
        </tbody>
      </table>
    </section>
  );
}

interface RowProps extends FieldMatchesProps {
  readonly match: FieldMatch;
  readonly field: PipelineField;
}

function FieldMatchRow({ document, mapped, columns, match, field, onMatch, onEdit }: RowProps) {
  const labels = columns.map(({ label }) => label);
  const made = match.label !== null && !labels.includes(match.label);
  const needed = neededFields(document).has(field.name);
  const known = otherLabels(field);
  const learned = otherLabels(mapped.schema.fields.find(({ name }) => name === field.name) ?? field).filter(
    (label) => !known.includes(label),
  );
  return (
    <tr>
      <td>
        <div className={table.name}>{match.field}</div>
        <div className={table.sub}>
          {field.type}
          {needed && " · required"}
        </div>
      </td>
      <td>
        {made ? (
          <span className="muted">made by a transform</span>
        ) : onMatch === null ? (
          (match.label ?? <span className="muted">none</span>)
        ) : (
          <NativeSelect
            size="xs"
            aria-label={`Column for ${match.field}`}
            data={[
              // A field cannot go without a column that the file has under its own label.
              {
                value: "",
                label: "No column",
                disabled: columnOf(document, field, new Set(labels)) !== null,
              },
              ...labels.map((label) => ({ value: label, label })),
            ]}
            value={match.label ?? ""}
            error={
              match.label === null && needed && !mayLackColumns(document) ? "Choose a column" : undefined
            }
            onChange={(event) => onMatch(match.field, event.currentTarget.value)}
          />
        )}
        <KnownLabels
          field={match.field}
          labels={known}
          onRemove={onMatch === null ? null : (label) => onEdit(withoutLabel(document, match.field, label))}
        />
        {learned.map((label) => (
          <div key={label} className={table.sub}>
            {label} becomes a further label of this field
          </div>
        ))}
      </td>
      <td>{match.label !== null && <Confidence value={match.confidence} byHand={match.byHand} />}</td>
      <td className={`${table.sub} ${classes.examples}`}>
        {columns
          .find(({ label }) => label === match.label)
          ?.examples.slice(0, 3)
          .join(", ")}
      </td>
    </tr>
  );
}
