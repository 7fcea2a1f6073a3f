import { Button, Checkbox, Collapse, NativeSelect, TextInput } from "@mantine/core";
import { IconAdjustments } from "@tabler/icons-react";
import { useState } from "react";
import type { Guess, Notice } from "@/api/contract";
import { NoticeList } from "@/components/NoticeList";
import { Panel } from "@/components/Panel";
import { formatShare } from "@/lib/format";
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
  /** What was detected, with how sure it is. */
  readonly guesses: readonly Guess[];
  readonly notices: readonly Notice[];
  /** Errors by key. */
  readonly problems: ReadonlyMap<string, string>;
}

/** How the file is read: what was detected, and controls to change it. */
export function DialectPanel({ declared, used, onChange, guesses, notices, problems }: DialectPanelProps) {
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
      <NoticeList notices={notices} />
      <Collapse expanded={open}>
        {guesses.length > 0 && (
          <ul className={classes.guesses} aria-label="What was detected">
            {guesses.map((guess) => (
              <li key={guess.option}>
                <code>
                  {guess.option} {guess.valueJson}
                </code>{" "}
                <span className="muted">
                  {formatShare(guess.confidence, 1)} sure. {guess.why}
                </span>
              </li>
            ))}
          </ul>
        )}
        <DialectForm declared={declared} used={used} onChange={onChange} problems={problems} />
      </Collapse>
    </Panel>
  );
}

type DialectFormProps = Omit<DialectPanelProps, "guesses" | "notices">;

function DialectForm({ declared, used, onChange, problems }: DialectFormProps) {
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
      value={[declared[key], used[key]].find((value) => typeof value === "number") ?? standard}
      error={problems.get(key)}
      onChange={(event) => {
        const value = event.currentTarget.valueAsNumber;
        // What was detected is overruled by the standard, too.
        const asBefore = value === standard && typeof used[key] !== "number";
        set(key, Number.isInteger(value) && value >= least && !asBefore ? value : null);
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
            checked={(declared.header ?? used.header) !== false}
            onChange={(event) =>
              set("header", event.currentTarget.checked ? (used.header === false ? true : null) : false)
            }
          />
        )}
        {delimited && (
          <Checkbox
            size="xs"
            label="Quotes are text"
            checked={(declared.quoting ?? used.quoting) === false}
            onChange={(event) =>
              set("quoting", event.currentTarget.checked ? false : used.quoting === false ? true : null)
            }
          />
        )}
        {delimited && (
          <Checkbox
            size="xs"
            label="Ignore blanks after the delimiter"
            checked={(declared.skipInitialSpace ?? used.skipInitialSpace) === true}
            onChange={(event) =>
              set(
                "skipInitialSpace",
                event.currentTarget.checked ? true : used.skipInitialSpace === true ? false : null,
              )
            }
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
