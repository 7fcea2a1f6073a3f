import { Button } from "@mantine/core";
import { Panel } from "@/components/Panel";
import { labelOf, type PipelineDocument, withKey } from "@/features/pipelines";
import { formatCount, plural } from "@/lib/format";
import { listed } from "../choice/not-loaded";
import { NEW } from "../map/plan";
import type { Plan } from "../map/use-plan";
import { fewValues, keyCandidates, keyOf } from "./keys";
import type { Duplicates } from "./use-duplicates";
import { ValueMatches } from "./ValueMatches";
import classes from "./Values.module.css";
import { hasEnum, unmatchedValues, withEnum } from "./words";

interface KeysAndValuesProps {
  readonly plan: Plan;
  readonly duplicates: Duplicates;
}

/** What the file's values offer: a key, lists of values, and values that mean others. */
export function KeysAndValues({ plan, duplicates }: KeysAndValuesProps) {
  const seen = plan.inspection.data;
  if (seen === undefined || plan.document === null) return null;
  const drafting = plan.target === NEW;
  const document = drafting ? plan.draft : plan.chosen;
  if (document === null) return null;
  const change = drafting ? plan.setDraft : plan.edit;
  const scope = seen.complete
    ? `all ${plural(seen.sampledRows, "row")}`
    : `the first ${plural(seen.sampledRows, "row")}`;
  const unmatched = plan.mayWrite ? unmatchedValues(document, seen.columns, plan.columnOf) : [];
  const offers = drafting ? listsOf(document, plan) : [];
  const key = <KeyLine plan={plan} document={document} scope={scope} duplicates={duplicates} />;
  const hasKey = drafting || keyOf(document).length > 0;
  if (!hasKey && unmatched.length === 0) return null;
  return (
    <Panel title="Keys and values" aside={`from ${scope}`}>
      <div className={classes.stack}>
        {hasKey && key}
        {offers.map(({ name, values, on }) => (
          <div key={name} className={classes.line}>
            <span>
              <strong>{name}</strong> has only {listed(values)}.
            </span>
            <Button
              size="xs"
              variant="default"
              aria-pressed={on}
              onClick={() => change(withEnum(document, name, on ? [] : values))}
            >
              {on ? `Allow any ${name}` : `Allow only these for ${name}`}
            </Button>
          </div>
        ))}
        {unmatched.map((one) => (
          <ValueMatches key={one.field} unmatched={one} document={document} onChange={change} />
        ))}
      </div>
    </Panel>
  );
}

/** Fields of text with a few values, and whether they are already the only ones allowed. */
function listsOf(document: PipelineDocument, plan: Plan) {
  const seen = plan.inspection.data;
  return document.schema.fields.flatMap((field) => {
    const column = seen?.columns.find(({ label }) => label === labelOf(document, field.name));
    if (field.type !== "string" || column === undefined || seen === undefined) return [];
    const values = fewValues(column, seen.sampledRows);
    return values.length > 0 ? [{ name: field.name, values, on: hasEnum(field) }] : [];
  });
}

interface KeyLineProps extends KeysAndValuesProps {
  readonly document: PipelineDocument;
  readonly scope: string;
}

function KeyLine({ plan, document, scope, duplicates }: KeyLineProps) {
  const key = keyOf(document);
  if (key.length > 0) {
    return (
      <div className={classes.line} role="status">
        <span>
          Key: <strong>{key.join(", ")}</strong>. {duplicatesText(document, duplicates)}
        </span>
      </div>
    );
  }
  const seen = plan.inspection.data;
  const fields = keyCandidates(seen?.columns ?? [], seen?.sampledRows ?? 0n).flatMap((label) =>
    document.schema.fields.filter(({ name }) => labelOf(document, name) === label).map(({ name }) => name),
  );
  if (fields.length === 0) {
    return <div className="muted">No column could be a key: each has a gap or a duplicate in {scope}.</div>;
  }
  return (
    <div className={classes.line}>
      <span>
        No key is chosen, so rows that are loaded twice are there twice. Without a gap or a duplicate in{" "}
        {scope}:
      </span>
      <span className={classes.buttons}>
        {fields.map((name) => (
          <Button
            key={name}
            size="xs"
            variant="default"
            onClick={() =>
              plan.setDraft({ ...document, schema: withKey(document.schema, "primaryKey", [name]) })
            }
          >
            Use {name} as key
          </Button>
        ))}
      </span>
    </div>
  );
}

/** "12 rows repeat a key …": what the count says. */
export function duplicatesText(document: PipelineDocument, duplicates: Duplicates): string {
  if (duplicates === null) return "";
  const { found, counting } = duplicates;
  if (found === null) {
    if (!counting) return "";
    return duplicates.sent ? "Counting duplicates …" : "Duplicates are counted as soon as the file is sent.";
  }
  const scope = found.complete
    ? `all ${plural(found.sampledRows, "row")}`
    : `the first ${plural(found.sampledRows, "row")}`;
  if (found.duplicateCount === 0n) return `No duplicate in ${scope}.`;
  const one = found.duplicateCount === 1n;
  const rows = found.duplicateRows.slice(0, 5).map((row) => formatCount(row));
  const more = Number(found.duplicateCount) > rows.length ? ", …" : "";
  const fate =
    document.sink.mode === "upsert"
      ? "of rows with the same key only one stays"
      : `${one ? "it" : "they"} will be rejected`;
  return `${plural(found.duplicateCount, "row")} of ${scope} ${one ? "repeats" : "repeat"} the key of an earlier one (row ${rows.join(", ")}${more}): ${fate}.`;
}
