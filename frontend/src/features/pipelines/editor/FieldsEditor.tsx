import { ActionIcon, Button, Checkbox, NativeSelect, TextInput, Tooltip } from "@mantine/core";
import { IconChevronDown, IconChevronRight, IconTrash } from "@tabler/icons-react";
import { Fragment, useState } from "react";
import table from "@/components/DataTable.module.css";
import {
  asList,
  labelOf,
  withField,
  withFields,
  withKey,
  withKeyField,
  withLabels,
  withoutField,
  withType,
} from "../document/document";
import { ExactNumber, parseExact, writeExact } from "../document/json";
import type { Violations } from "../document/pointers";
import {
  CONSTRAINTS_OF,
  type ConstraintName,
  FIELD_TYPES,
  type FieldType,
  FORMATS_OF,
  ITEM_TYPES,
  type PipelineDocument,
  type PipelineField,
  TYPES_OF,
} from "../document/types";
import { DraftInput, readList } from "./DraftInput";
import classes from "./Editor.module.css";

interface FieldsEditorProps {
  readonly document: PipelineDocument;
  readonly onChange: (document: PipelineDocument) => void;
  readonly violations: Violations;
}

/** The schema's fields: one line each, which expands to all of its settings. */
export function FieldsEditor({ document, onChange, violations }: FieldsEditorProps) {
  const [open, setOpen] = useState<number | null>(null);
  const { fields } = document.schema;
  const add = () => {
    const names = new Set(fields.map(({ name }) => name));
    let count = fields.length + 1;
    while (names.has(`field_${count}`)) count += 1;
    onChange(withFields(document, [...fields, { name: `field_${count}`, type: "string" }]));
    setOpen(fields.length);
  };
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section className={table.scroll} tabIndex={0} aria-label="Fields">
        <table className={`${table.table} ${classes.fields}`}>
          <thead>
            <tr>
              <th scope="col">
                <span className="visually-hidden">Details</span>
              </th>
              <th scope="col">Field</th>
              <th scope="col">Read from column</th>
              <th scope="col">Type</th>
              <th scope="col">Required</th>
              <th scope="col">Key</th>
              <th scope="col">
                <span className="visually-hidden">Remove</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {fields.map((field, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a field's name is what is being edited.
              <Fragment key={index}>
                <FieldLine
                  document={document}
                  field={field}
                  index={index}
                  open={open === index}
                  onToggle={() => setOpen(open === index ? null : index)}
                  onChange={onChange}
                  violations={violations}
                />
                {open === index && (
                  <tr className={classes.details}>
                    <td colSpan={7}>
                      <FieldDetails
                        field={field}
                        index={index}
                        onChange={(next) => onChange(withField(document, index, next))}
                        violations={violations}
                      />
                    </td>
                  </tr>
                )}
              </Fragment>
            ))}
          </tbody>
        </table>
      </section>
      <div className={classes.below}>
        <Button size="xs" variant="default" onClick={add}>
          Add field
        </Button>
      </div>
    </>
  );
}

interface FieldLineProps extends FieldsEditorProps {
  readonly field: PipelineField;
  readonly index: number;
  readonly open: boolean;
  readonly onToggle: () => void;
}

function FieldLine({ document, field, index, open, onToggle, onChange, violations }: FieldLineProps) {
  const at = (key: string) => violations.at("schema", "fields", index, key);
  const inside = violations.within("schema", "fields", index).length;
  const change = (next: PipelineField) => onChange(withField(document, index, next));
  const Chevron = open ? IconChevronDown : IconChevronRight;
  const constraints = Object.keys(field.constraints ?? {}).filter((name) => name !== "required");
  const relabel = (label: string) => {
    const labels = new Map(
      document.schema.fields.map(({ name }): [string, string] => [name, labelOf(document, name)]),
    );
    onChange(withLabels(document, labels.set(field.name, label)));
  };
  return (
    <tr data-bad={inside > 0 || undefined}>
      <td>
        <ActionIcon
          variant="subtle"
          color="gray"
          size={26}
          aria-label={`Details of ${field.name}`}
          aria-expanded={open}
          onClick={onToggle}
        >
          <Chevron size={16} aria-hidden />
        </ActionIcon>
      </td>
      <td>
        <TextInput
          size="xs"
          aria-label={`Name of field ${index + 1}`}
          value={field.name}
          error={at("name") ?? violations.at("schema", "fields", index)}
          onChange={(event) => change({ ...field, name: event.currentTarget.value })}
        />
        {constraints.length > 0 && <div className={table.sub}>{constraints.join(", ")}</div>}
      </td>
      <td>
        <TextInput
          size="xs"
          aria-label={`Column of ${field.name}`}
          value={labelOf(document, field.name)}
          error={violations.at("mapping", field.name)}
          onChange={(event) => relabel(event.currentTarget.value)}
        />
      </td>
      <td>
        <NativeSelect
          size="xs"
          w={122}
          aria-label={`Type of ${field.name}`}
          data={
            FIELD_TYPES.includes(field.type as FieldType) ? [...FIELD_TYPES] : [field.type, ...FIELD_TYPES]
          }
          value={field.type}
          error={at("type")}
          onChange={(event) => change(withType(field, event.currentTarget.value))}
        />
      </td>
      <td>
        <Checkbox
          size="xs"
          aria-label={`${field.name} is required`}
          checked={field.constraints?.required === true}
          onChange={(event) =>
            change(withConstraint(field, "required", event.currentTarget.checked || undefined))
          }
        />
      </td>
      <td>
        <Checkbox
          size="xs"
          aria-label={`${field.name} is part of the key`}
          checked={asList(document.schema.primaryKey).includes(field.name)}
          onChange={() => onChange(withKeyField(document, field.name))}
        />
      </td>
      <td>
        <Tooltip label={`Remove ${field.name}`}>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={26}
            aria-label={`Remove ${field.name}`}
            onClick={() => onChange(withoutField(document, index))}
          >
            <IconTrash size={15} stroke={1.75} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </td>
    </tr>
  );
}

function withConstraint(field: PipelineField, name: ConstraintName, value: unknown): PipelineField {
  return withKey(field, "constraints", withKey(field.constraints ?? {}, name, value));
}

const LABELS: Readonly<Record<ConstraintName, string>> = {
  required: "Required",
  unique: "Unique in the table",
  enum: "One of",
  minimum: "At least",
  maximum: "At most",
  exclusiveMinimum: "More than",
  exclusiveMaximum: "Less than",
  minLength: "Minimum length",
  maxLength: "Maximum length",
  pattern: "Pattern (RE2, whole cell)",
  jsonSchema: "JSON Schema",
};
const JSON_TYPES: readonly string[] = ["array", "object", "list", "geojson"];

function labelFor(name: ConstraintName, type: string): string {
  if (name !== "minLength" && name !== "maxLength") return LABELS[name];
  const counted = type === "object" ? "keys" : JSON_TYPES.includes(type) ? "items" : "characters";
  return LABELS[name].replace("characters", counted);
}

/** Lists whose values contain commas are edited as JSON. */
function isInForm(name: ConstraintName, type: string): boolean {
  return name !== "required" && !(name === "enum" && JSON_TYPES.includes(type));
}

interface FieldDetailsProps {
  readonly field: PipelineField;
  readonly index: number;
  readonly onChange: (field: PipelineField) => void;
  readonly violations: Violations;
}

function FieldDetails({ field, index, onChange, violations }: FieldDetailsProps) {
  const at = (...place: string[]) => violations.textWithin("schema", "fields", index, ...place);
  const constraints = CONSTRAINTS_OF[field.type as FieldType] ?? [];
  return (
    <div className={classes.grid}>
      <TextInput
        size="xs"
        label="Title"
        value={field.title ?? ""}
        error={at("title")}
        onChange={(event) => onChange(withKey(field, "title", event.currentTarget.value))}
      />
      <DraftInput
        label="Column also known as"
        description="Labels in other files, one per line"
        rows={2}
        text={(field.labels ?? []).join("\n")}
        error={at("labels")}
        onText={(text) =>
          onChange(
            withKey(
              field,
              "labels",
              text.split("\n").filter((label) => label.trim() !== ""),
            ),
          )
        }
      />
      <FormatInput field={field} onChange={onChange} error={at("format")} />
      {field.type === "boolean" &&
        (["trueValues", "falseValues"] as const).map((key) => (
          <DraftInput
            key={key}
            label={key === "trueValues" ? "Values for true" : "Values for false"}
            placeholder={key === "trueValues" ? "true, True, TRUE, 1" : "false, False, FALSE, 0"}
            text={(field[key] ?? []).join(", ")}
            error={at(key)}
            onText={(text) => onChange(withKey(field, key, readList(text)))}
          />
        ))}
      {TYPES_OF.bareNumber?.includes(field.type as FieldType) && (
        <Checkbox
          size="xs"
          mt={24}
          label="Allow symbols around it (€95, 95 %)"
          checked={field.bareNumber === false}
          error={at("bareNumber")}
          onChange={(event) =>
            onChange(withKey(field, "bareNumber", event.currentTarget.checked ? false : undefined))
          }
        />
      )}
      {field.type === "list" && (
        <>
          <NativeSelect
            size="xs"
            label="Item type"
            data={[...ITEM_TYPES]}
            value={field.itemType ?? "string"}
            error={at("itemType")}
            onChange={(event) => onChange(withKey(field, "itemType", event.currentTarget.value))}
          />
          <TextInput
            size="xs"
            label="Item separator"
            placeholder=","
            value={field.delimiter ?? ""}
            error={at("delimiter")}
            onChange={(event) => onChange(withKey(field, "delimiter", event.currentTarget.value))}
          />
        </>
      )}
      {constraints
        .filter((name) => isInForm(name, field.type))
        .map((name) => (
          <ConstraintInput
            key={name}
            name={name}
            field={field}
            onChange={onChange}
            error={at("constraints", name)}
          />
        ))}
    </div>
  );
}

function FormatInput({
  field,
  onChange,
  error,
}: {
  readonly field: PipelineField;
  readonly onChange: (field: PipelineField) => void;
  readonly error: string | undefined;
}) {
  const names = FORMATS_OF[field.type as FieldType];
  if (names !== undefined) {
    return (
      <NativeSelect
        size="xs"
        label="Format"
        data={[{ value: "", label: field.type === "string" ? "any text" : "default" }, ...names]}
        value={field.format ?? ""}
        error={error}
        onChange={(event) => onChange(withKey(field, "format", event.currentTarget.value))}
      />
    );
  }
  const example = PATTERNS[field.type];
  if (example === undefined) return null;
  return (
    <TextInput
      size="xs"
      label="Format"
      placeholder={example}
      value={field.format ?? ""}
      error={error}
      onChange={(event) => onChange(withKey(field, "format", event.currentTarget.value))}
    />
  );
}

const PATTERNS: Readonly<Record<string, string>> = {
  date: "2024-02-29, or %d.%m.%Y",
  datetime: "2024-02-29T23:59:59, or %d.%m.%Y %H:%M",
  time: "23:59:59, or %H:%M",
};

interface ConstraintInputProps {
  readonly name: ConstraintName;
  readonly field: PipelineField;
  readonly onChange: (field: PipelineField) => void;
  readonly error: string | undefined;
}

function ConstraintInput({ name, field, onChange, error }: ConstraintInputProps) {
  const value = field.constraints?.[name];
  const set = (next: unknown) => onChange(withConstraint(field, name, next));
  if (name === "unique") {
    return (
      <Checkbox
        size="xs"
        mt={24}
        label={labelFor(name, field.type)}
        checked={value === true}
        onChange={(event) => set(event.currentTarget.checked || undefined)}
      />
    );
  }
  if (name === "enum") {
    return (
      <DraftInput
        label={labelFor(name, field.type)}
        description="Separated by commas"
        text={(Array.isArray(value) ? value : []).map(String).join(", ")}
        error={error}
        onText={(text) => set(readList(text))}
      />
    );
  }
  if (name === "jsonSchema") {
    return (
      <DraftInput
        label={LABELS[name]}
        placeholder={'{"required": ["id"]}'}
        text={value === undefined || typeof value === "string" ? (value ?? "") : writeExact(value, 0)}
        error={error}
        onText={(text) => set(jsonOf(text))}
      />
    );
  }
  const isLength = name === "minLength" || name === "maxLength";
  return (
    <DraftInput
      label={labelFor(name, field.type)}
      type={isLength ? "number" : "text"}
      text={value === undefined ? "" : String(value)}
      error={error}
      onText={(text) => set(text === "" ? undefined : isLength ? Number(text) : boundOf(field.type, text))}
    />
  );
}

/** JSON, or else the text itself, which the server then rejects. */
function jsonOf(text: string): unknown {
  try {
    return text === "" ? undefined : parseExact(text);
  } catch {
    return text;
  }
}

/** Writes a numeric bound as a number with all its digits, and any other bound as the text of a cell. */
function boundOf(type: string, text: string): unknown {
  if (!["integer", "number", "year"].includes(type) || !/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)) return text;
  return String(Number(text)) === text ? Number(text) : new ExactNumber(text);
}
