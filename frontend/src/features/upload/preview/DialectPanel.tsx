import { Button, Checkbox, Collapse, NativeSelect, TextInput } from "@mantine/core";
import { IconAdjustments } from "@tabler/icons-react";
import { useState } from "react";
import { Panel } from "@/components/Panel";
import classes from "./DialectPanel.module.css";
import {
  DELIMITERS,
  type Dialect,
  declare,
  describeDialect,
  ENCODINGS,
  FORMATS,
  labelAmong,
  QUOTES,
} from "./dialect";

interface DialectPanelProps {
  /** What the person has set. */
  readonly declared: Dialect;
  /** The dialect in effect: declared and detected. */
  readonly used: Dialect;
  readonly onChange: (declared: Dialect) => void;
  /** Errors by key. */
  readonly problems: ReadonlyMap<string, string>;
}

/** How the file is read: what was detected, and controls to change it. */
export function DialectPanel({ declared, used, onChange, problems }: DialectPanelProps) {
  const [open, setOpen] = useState(problems.size > 0);
  return (
    <Panel
      title="How the file is read"
      aside={
        <Button
          variant="subtle"
          size="xs"
          leftSection={<IconAdjustments size={14} aria-hidden />}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          Change
        </Button>
      }
    >
      <p>
        {describeDialect(used) || "Not detected yet"}
        {Object.keys(declared).length === 0 ? <span className="muted"> · detected</span> : null}
        {typeof used.sheet === "string" && <span className="muted"> · sheet {used.sheet}</span>}
      </p>
      <Collapse expanded={open}>
        <DialectForm declared={declared} used={used} onChange={onChange} problems={problems} />
      </Collapse>
    </Panel>
  );
}

function DialectForm({ declared, used, onChange, problems }: DialectPanelProps) {
  const set = (key: string, value: unknown) => onChange(declare(declared, key, value));
  const format = String(declared.format ?? used.format ?? "csv");
  const delimited = format === "csv";
  const choice = (key: string, label: string, choices: readonly { value: string; label: string }[]) => {
    const value = typeof declared[key] === "string" ? declared[key] : "";
    const detected = labelAmong(choices, used[key]);
    return (
      <NativeSelect
        label={label}
        size="xs"
        data={[
          { value: "", label: detected === "" ? "Detect automatically" : `Detected: ${detected}` },
          ...choices,
        ]}
        value={value}
        error={problems.get(key)}
        onChange={(event) => set(key, event.currentTarget.value)}
      />
    );
  };
  const count = (key: string, label: string, standard: number, least: number) => (
    <TextInput
      type="number"
      label={label}
      size="xs"
      min={least}
      max={10_000}
      value={typeof declared[key] === "number" ? declared[key] : standard}
      error={problems.get(key)}
      onChange={(event) => {
        const value = event.currentTarget.valueAsNumber;
        set(key, Number.isInteger(value) && value >= least && value !== standard ? value : null);
      }}
    />
  );
  return (
    <div className={classes.dialect}>
      {choice("format", "Format", FORMATS)}
      {delimited && choice("delimiter", "Delimiter", DELIMITERS)}
      {delimited && choice("quoteChar", "Quote character", QUOTES)}
      {format !== "parquet" && format !== "xlsx" && choice("encoding", "Encoding", ENCODINGS)}
      {format === "xlsx" && (
        <TextInput
          label="Sheet"
          size="xs"
          placeholder="First sheet"
          defaultValue={String(declared.sheet ?? "")}
          error={problems.get("sheet")}
          onBlur={(event) => set("sheet", event.currentTarget.value)}
        />
      )}
      {(delimited || format === "xlsx") && count("skipLines", "Lines before the header", 0, 0)}
      {(delimited || format === "xlsx") && count("headerRows", "Header rows", 1, 1)}
      {delimited && count("skipFooter", "Records to skip at the end", 0, 0)}
      <div className={classes.flags}>
        {(delimited || format === "xlsx") && (
          <Checkbox
            size="xs"
            label="First row is the header"
            checked={declared.header !== false}
            onChange={(event) => set("header", event.currentTarget.checked ? null : false)}
          />
        )}
        {delimited && (
          <Checkbox
            size="xs"
            label="Fill short records with empty cells"
            checked={declared.ragged === "pad"}
            onChange={(event) => set("ragged", event.currentTarget.checked ? "pad" : null)}
          />
        )}
      </div>
    </div>
  );
}
