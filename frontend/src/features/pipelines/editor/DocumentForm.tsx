import { NativeSelect, TextInput } from "@mantine/core";
import { Panel } from "@/components/Panel";
import { asList, missingTexts, withKey, withMissingTexts } from "../document/document";
import type { Violations } from "../document/pointers";
import { FILTERS, filterKind, RULES, TRANSFORMS } from "../document/steps";
import type { PipelineDocument } from "../document/types";
import { DraftInput, readList } from "./DraftInput";
import classes from "./Editor.module.css";
import { FieldsEditor } from "./FieldsEditor";
import { StepsEditor } from "./StepsEditor";

interface DocumentFormProps {
  readonly document: PipelineDocument;
  readonly onChange: (document: PipelineDocument) => void;
  readonly violations: Violations;
  /** Whether the name is fixed, as it is for a stored pipeline. */
  readonly nameFixed: boolean;
}

/** The document as forms; the JSON view edits the same text. */
export function DocumentForm({ document, onChange, violations, nameFixed }: DocumentFormProps) {
  const { sink } = document;
  const setSink = (key: string, value: unknown) => onChange({ ...document, sink: withKey(sink, key, value) });
  const setPolicy = (key: string, value: unknown) =>
    onChange(withKey(document, "policy", withKey(document.policy ?? {}, key, value)));
  const steps = { violations };
  return (
    <div className={classes.stack}>
      <Panel title="Pipeline">
        <div className={classes.grid}>
          <TextInput
            size="xs"
            label="Name"
            description={nameFixed ? "The name cannot be changed" : "a-z, 0-9, - and _"}
            readOnly={nameFixed}
            value={document.name}
            error={violations.at("name")}
            onChange={(event) => onChange({ ...document, name: event.currentTarget.value })}
          />
          <TextInput
            size="xs"
            label="Title"
            description="Optional"
            value={document.title ?? ""}
            error={violations.at("title")}
            onChange={(event) => onChange(withKey(document, "title", event.currentTarget.value))}
          />
          <TextInput
            size="xs"
            label="Description"
            description="Optional"
            value={document.description ?? ""}
            error={violations.at("description")}
            onChange={(event) => onChange(withKey(document, "description", event.currentTarget.value))}
          />
        </div>
      </Panel>
      <Panel title="Fields" aside={violations.at("schema") ?? violations.at("schema", "fields")} flush>
        <FieldsEditor document={document} onChange={onChange} violations={violations} />
      </Panel>
      <Panel title="Destination">
        <div className={classes.grid}>
          <TextInput
            size="xs"
            label="Table"
            description="table or schema.table"
            value={sink.table ?? ""}
            error={violations.at("sink", "table") ?? violations.at("sink")}
            onChange={(event) =>
              onChange({ ...document, sink: { ...sink, table: event.currentTarget.value } })
            }
          />
          <NativeSelect
            size="xs"
            label="When a row already exists"
            description={`Matched by the key: ${(asList(sink.key).length > 0 ? asList(sink.key) : asList(document.schema.primaryKey)).join(", ") || "none"}`}
            data={[
              { value: "append", label: "Reject the new row" },
              { value: "upsert", label: "Replace the row (upsert)" },
            ]}
            value={sink.mode ?? "append"}
            error={violations.at("sink", "mode") ?? violations.textWithin("schema", "primaryKey")}
            onChange={(event) =>
              setSink("mode", event.currentTarget.value === "append" ? undefined : "upsert")
            }
          />
          {sink.mode === "upsert" && (
            <DraftInput
              label="Upsert key"
              description="Default: the primary key"
              text={asList(sink.key).join(", ")}
              error={violations.textWithin("sink", "key")}
              onText={(text) => setSink("key", readList(text))}
            />
          )}
          <DraftInput
            label="Values that mean “missing”"
            description="Default: the empty cell"
            placeholder="(empty), NULL, n/a"
            text={missingTexts(document.schema.missingValues)
              .map((word) => (word === "" ? "(empty)" : word))
              .join(", ")}
            error={violations.textWithin("schema", "missingValues")}
            onText={(text) => {
              const words = readList(text).map((word) => (word === "(empty)" ? "" : word));
              const values = withMissingTexts(document.schema.missingValues, words);
              onChange({ ...document, schema: withKey(document.schema, "missingValues", values) });
            }}
          />
        </div>
      </Panel>
      <Panel title="Transforms" aside="run before the schema is applied">
        <StepsEditor
          place="transforms"
          noun="transform"
          steps={document.transforms ?? []}
          forms={TRANSFORMS}
          kindOf={(step) => String(step.op ?? "")}
          onChange={(next) => onChange(withKey(document, "transforms", next))}
          {...steps}
        />
      </Panel>
      <Panel title="Filters" aside="skip unwanted rows">
        <StepsEditor
          place="filters"
          noun="filter"
          steps={document.filters ?? []}
          forms={FILTERS}
          kindOf={filterKind}
          onChange={(next) => onChange(withKey(document, "filters", next))}
          {...steps}
        />
      </Panel>
      <Panel title="Rules" aside="conditions between the values of a row">
        <StepsEditor
          place="rules"
          noun="rule"
          steps={document.rules ?? []}
          forms={RULES}
          kindOf={() => "rule"}
          onChange={(next) => onChange(withKey(document, "rules", next))}
          {...steps}
        />
      </Panel>
      <Panel title="Policy">
        <div className={classes.grid}>
          <DraftInput
            label="Maximum failed rows"
            description="A number, or a share such as 5%. Empty: no limit"
            text={document.policy?.maxErrors === undefined ? "" : String(document.policy.maxErrors)}
            error={violations.textWithin("policy", "maxErrors")}
            onText={(text) =>
              setPolicy("maxErrors", text === "" ? undefined : /^\d+$/.test(text) ? Number(text) : text)
            }
          />
          <NativeSelect
            size="xs"
            label="When a row fails"
            description="Whether one bad row stops the process"
            data={[
              { value: "continue", label: "Continue with the others" },
              { value: "abort", label: "Stop at the first failure" },
            ]}
            value={String(document.policy?.onError ?? "continue")}
            error={violations.textWithin("policy", "onError")}
            onChange={(event) =>
              setPolicy("onError", event.currentTarget.value === "continue" ? undefined : "abort")
            }
          />
        </div>
      </Panel>
    </div>
  );
}
