import { NativeSelect } from "@mantine/core";
import type { InspectedColumn } from "@/api/contract";
import table from "@/components/DataTable.module.css";
import type { PipelineDocument } from "@/features/pipelines";
import { Confidence } from "./Confidence";
import classes from "./Map.module.css";
import { type FieldMatch, mayLackColumns } from "./plan";

interface FieldMatchesProps {
  readonly document: PipelineDocument;
  readonly columns: readonly InspectedColumn[];
  readonly matches: readonly FieldMatch[];
  /** Null: the person may not save another mapping. */
  readonly onMatch: ((field: string, label: string) => void) | null;
}

/** The fields of a pipeline, and the file columns that they are read from. */
export function FieldMatches({ document, columns, matches, onMatch }: FieldMatchesProps) {
  const examples = new Map(columns.map((column) => [column.label, column.examples.slice(0, 3).join(", ")]));
  const labels = columns.map(({ label }) => label);
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
          {matches.map((match, index) => {
            const field = document.schema.fields[index];
            const made = match.label !== null && !labels.includes(match.label);
            return (
              <tr key={match.field}>
                <td>
                  <div className={table.name}>{match.field}</div>
                  <div className={table.sub}>
                    {field?.type}
                    {field?.constraints?.required === true && " · required"}
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
                      data={[{ value: "", label: "No column" }, ...labels]}
                      value={match.label ?? ""}
                      error={
                        match.label === null && !mayLackColumns(document) ? "Choose a column" : undefined
                      }
                      onChange={(event) => onMatch(match.field, event.currentTarget.value)}
                    />
                  )}
                </td>
                <td>
                  {match.label !== null && <Confidence value={match.confidence} byHand={match.byHand} />}
                </td>
                <td className={`${table.sub} ${classes.examples}`}>{examples.get(match.label ?? "")}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
