import { Checkbox, NativeSelect, TextInput } from "@mantine/core";
import type { FieldReading, InspectedColumn } from "@/api/contract";
import table from "@/components/DataTable.module.css";
import {
  asList,
  FIELD_TYPES,
  labelOf,
  type PipelineDocument,
  type PipelineField,
  type Violations,
  withField,
  withFields,
  withKey,
  withKeyField,
  withLabels,
  withoutField,
  withTrim,
} from "@/features/pipelines";
import { FormatChoice } from "../preview/FormatChoice";
import { Understood } from "../preview/Understood";
import { Confidence } from "./Confidence";
import classes from "./Map.module.css";
import { candidatesOf, describeCandidate, retyped, typeKeys } from "./plan";

interface DraftFieldsProps {
  readonly columns: readonly InspectedColumn[];
  /** The server's draft: where a column's field comes from when it is switched on again. */
  readonly original: PipelineDocument;
  readonly draft: PipelineDocument;
  readonly onChange: (draft: PipelineDocument) => void;
  readonly violations: Violations;
  /** How the first values of each field are understood. */
  readonly readings: readonly FieldReading[];
  /** They are of the draft before. */
  readonly stale: boolean;
}

/** The columns of the file, and their fields in a new pipeline. */
export function DraftFields({ columns, ...props }: DraftFieldsProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section className={table.scroll} tabIndex={0} aria-label="Columns and fields">
      <table className={`${table.table} ${classes.fields}`}>
        <thead>
          <tr>
            <th scope="col">Load</th>
            <th scope="col">File column</th>
            <th scope="col">Field</th>
            <th scope="col">Type</th>
            <th scope="col">As written → as understood</th>
            <th scope="col">Confidence</th>
            <th scope="col">Required</th>
            <th scope="col">Key</th>
          </tr>
        </thead>
        <tbody>
          {columns.map((column) => (
            <DraftField key={column.label} column={column} {...props} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function DraftField({
  column,
  original,
  draft,
  onChange,
  violations,
  readings,
  stale,
}: Omit<DraftFieldsProps, "columns"> & { readonly column: InspectedColumn }) {
  const { fields } = draft.schema;
  const index = fields.findIndex(({ name }) => labelOf(draft, name) === column.label);
  const field = fields[index];

  const key = asList(draft.schema.primaryKey);
  const drafts = original.schema.fields.find(({ name }) => labelOf(original, name) === column.label) ?? field;
  const candidates = drafts === undefined ? [] : candidatesOf(drafts);
  const open = field !== undefined && candidatesOf(field).length > 0;
  const chosen = candidates.findIndex(
    (keys) => field !== undefined && describeCandidate(keys) === describeCandidate(typeKeys(field)),
  );

  const values = readings.find((reading) => reading.field === field?.name)?.values ?? [];

  const change = (next: PipelineField) => onChange(withField(draft, index, next));
  const toggle = () => {
    if (field !== undefined) {
      onChange(withoutField(draft, index));
      return;
    }
    const back = drafts;
    if (back === undefined) return;
    const labels = new Map(fields.map(({ name }): [string, string] => [name, labelOf(draft, name)]));
    const trimmed = original.transforms?.some((step) => step.op === "trim" && step.column === column.label);
    const next = withLabels(withFields(draft, [...fields, back]), labels.set(back.name, column.label));
    onChange(trimmed ? withTrim(next, column.label) : next);
  };

  return (
    <tr data-off={field === undefined || undefined}>
      <td>
        <Checkbox
          size="xs"
          aria-label={`Load ${column.label}`}
          checked={field !== undefined}
          onChange={toggle}
        />
      </td>
      <td>
        <div className={table.name}>{column.label}</div>
        <div className={`${table.sub} ${classes.examples}`}>
          {[
            // What is understood stands beside the type.
            values.length === 0 ? column.examples.slice(0, 3).join(", ") : "",
            column.missing > 0n ? `${column.missing} empty` : "",
          ]
            .filter((part) => part !== "")
            .join(" · ")}
        </div>
      </td>
      {field === undefined ? (
        <td colSpan={6} className="muted">
          Not loaded
        </td>
      ) : (
        <>
          <td>
            <TextInput
              size="xs"
              miw={120}
              aria-label={`Field of ${column.label}`}
              value={field.name}
              error={violations.at("schema", "fields", index, "name")}
              onChange={(event) => change({ ...field, name: event.currentTarget.value })}
            />
          </td>
          <td>
            <NativeSelect
              size="xs"
              w={128}
              aria-label={`Type of ${column.label}`}
              data={[
                ...(open ? [{ value: "", label: "Choose …" }] : []),
                ...FIELD_TYPES,
                ...candidates.map((keys, place) => ({ value: `${place}`, label: describeCandidate(keys) })),
              ]}
              value={open ? "" : chosen < 0 ? field.type : `${chosen}`}
              error={violations.at("schema", "fields", index, "type")}
              onChange={(event) => {
                const type = event.currentTarget.value;
                if (type === "") return;
                const drafted = drafts?.type === type ? typeKeys(drafts) : { type };
                change(retyped(field, candidates[Number(type)] ?? drafted));
              }}
            />
            <FormatChoice
              label={column.label}
              field={field}
              onChange={(keys) => change(retyped(field, keys))}
            />
          </td>
          <td>
            <Understood
              column={column}
              field={field}
              open={open}
              values={values}
              stale={stale}
              onChoose={(keys) => change(retyped(field, keys))}
            />
          </td>
          <td>
            {field.type === column.type ? (
              <Confidence value={column.confidence} />
            ) : (
              <Confidence value={1} byHand />
            )}
          </td>
          <td>
            <Checkbox
              size="xs"
              aria-label={`${column.label} is required`}
              checked={field.constraints?.required === true}
              onChange={(event) =>
                change(
                  withKey(
                    field,
                    "constraints",
                    withKey(field.constraints ?? {}, "required", event.currentTarget.checked || undefined),
                  ),
                )
              }
            />
          </td>
          <td>
            <Checkbox
              size="xs"
              aria-label={`${column.label} is part of the key`}
              checked={key.includes(field.name)}
              onChange={() => onChange(withKeyField(draft, field.name))}
            />
          </td>
        </>
      )}
    </tr>
  );
}
