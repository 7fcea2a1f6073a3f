import { Button, Checkbox, Collapse, NativeSelect, TextInput } from "@mantine/core";
import { IconAdjustments } from "@tabler/icons-react";
import { useState } from "react";
import type { InspectUploadResponse, Notice } from "@/api/contract";
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
import { FirstLines } from "./FirstLines";
import { withHeaderFound } from "./header-line";
import { SheetList } from "./SheetList";

type Inspection = Pick<InspectUploadResponse, "guesses" | "lines" | "sheets">;

interface DialectPanelProps {
  /** What the person has set. */
  readonly declared: Dialect;
  /** The dialect in effect: declared and detected. */
  readonly used: Dialect;
  readonly onChange: (declared: Dialect) => void;
  /** What was found out; undefined while nothing is. */
  readonly inspection: Inspection | undefined;
  /** The file is being inspected again. */
  readonly stale: boolean;
  readonly notices: readonly Notice[];
  /** Errors by key. */
  readonly problems: ReadonlyMap<string, string>;
}

/** How the file is read: what was detected, its first lines, and controls to change it. */
export function DialectPanel(props: DialectPanelProps) {
  const { declared, used, onChange, inspection, stale, notices, problems } = props;
  const guesses = inspection?.guesses ?? [];
  const sheet = sheetOf(declared, inspection);
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
          More options
        </Button>
      }
    >
      <p>
        {describeDialect(used) || "Not detected yet"}
        {Object.keys(declared).length === 0 ? <span className="muted"> · detected</span> : null}
        {sheet !== "" && <span className="muted"> · sheet {sheet}</span>}
      </p>
      <NoticeList notices={notices} />
      <SheetList
        sheets={inspection?.sheets ?? []}
        used={sheet}
        onChoose={(name) => onChange(declare(withHeaderFound(declared), "sheet", name))}
      />
      <TextChoices declared={declared} used={used} onChange={onChange} problems={problems} />
      <FirstLines lines={inspection?.lines ?? []} declared={declared} onChange={onChange} stale={stale} />
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

type DialectFormProps = Pick<DialectPanelProps, "declared" | "used" | "onChange" | "problems">;

function formatOf({ declared, used }: DialectFormProps): string {
  return String(declared.format ?? used.format ?? "csv");
}

interface ChoiceProps extends DialectFormProps {
  readonly option: string;
  readonly label: string;
  readonly choices: readonly { value: string; label: string }[];
}

/** One option with its usual values; what was detected stands among them. */
function Choice({ declared, used, onChange, problems, option, label, choices }: ChoiceProps) {
  const value = typeof declared[option] === "string" ? declared[option] : "";
  const detected = labelAmong(choices, used[option]);
  const known = value === "" || choices.some((choice) => choice.value === value);
  return (
    <NativeSelect
      label={label}
      size="xs"
      data={[
        { value: "", label: detected === "" ? "Detect automatically" : `Detected: ${detected}` },
        ...choices,
        ...(known ? [] : [{ value, label: value }]),
      ]}
      value={value}
      error={problems.get(option)}
      onChange={(event) => onChange(declare(declared, option, event.currentTarget.value))}
    />
  );
}

/** What decides how text is split into cells: beside the first lines, which show what it does. */
function TextChoices(props: DialectFormProps) {
  const format = formatOf(props);
  if (format === "parquet" || format === "xlsx") return null;
  return (
    <div className={classes.dialect}>
      <Choice {...props} option="encoding" label="Encoding" choices={ENCODINGS} />
      {format === "csv" && <Choice {...props} option="delimiter" label="Delimiter" choices={DELIMITERS} />}
      {format === "csv" && <Choice {...props} option="quoteChar" label="Quote character" choices={QUOTES} />}
    </div>
  );
}

/** The sheet that is read; "" where there is only one or none. */
function sheetOf(declared: Dialect, inspection: Inspection | undefined): string {
  if (inspection === undefined || inspection.sheets.length < 2) return "";
  if (typeof declared.sheet === "number") return inspection.sheets[declared.sheet - 1]?.name ?? "";
  const guess = inspection.guesses.find(({ option }) => option === "sheet");
  return String(declared.sheet ?? (guess === undefined ? "" : JSON.parse(guess.valueJson)));
}

function DialectForm(props: DialectFormProps) {
  const { declared, used, onChange, problems } = props;
  const set = (key: string, value: unknown) => onChange(declare(declared, key, value));
  const format = formatOf(props);
  const delimited = format === "csv";
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
      <Choice {...props} option="format" label="Format" choices={FORMATS} />
      {(delimited || format === "xlsx") && count("skipLines", "Lines before the header", 0, 0)}
      {(delimited || format === "xlsx") && count("headerRows", "Header rows", 1, 1)}
      {delimited && count("skipFooter", "Records to skip at the end", 0, 0)}
      <div className={classes.flags}>
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
