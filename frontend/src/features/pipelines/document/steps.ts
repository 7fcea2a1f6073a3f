/** The forms of transforms, filters and rules: the keys of each, and what they hold. */

type KeyKind =
  | { readonly kind: "text"; readonly placeholder?: string }
  | { readonly kind: "long"; readonly placeholder?: string }
  | { readonly kind: "list"; readonly placeholder?: string }
  | { readonly kind: "count" }
  | { readonly kind: "flag" }
  | { readonly kind: "pairs" }
  | { readonly kind: "choice"; readonly values: readonly string[] };

export interface StepKey {
  readonly key: string;
  readonly label: string;
  readonly value: KeyKind;
}

export interface StepForm {
  readonly title: string;
  /** What it does, in a few words. */
  readonly does: string;
  readonly keys: readonly StepKey[];
  /** The keys of a new step. */
  readonly start: Readonly<Record<string, unknown>>;
}

const text = (key: string, label: string, placeholder?: string): StepKey => ({
  key,
  label,
  value: { kind: "text", placeholder },
});
const list = (key: string, label: string, placeholder?: string): StepKey => ({
  key,
  label,
  value: { kind: "list", placeholder },
});
const choice = (key: string, label: string, ...values: string[]): StepKey => ({
  key,
  label,
  value: { kind: "choice", values },
});
const column = text("column", "Column");
const reason = text("reason", "Reason given for skipped rows");

export const TRANSFORMS: Readonly<Record<string, StepForm>> = {
  trim: { title: "Trim", does: "Remove spaces around the text", keys: [column], start: {} },
  case: {
    title: "Letter case",
    does: "Change to upper, lower or title case",
    keys: [column, choice("to", "To", "upper", "lower", "title")],
    start: { to: "upper" },
  },
  replace: {
    title: "Replace",
    does: "Replace every match of a text or an RE2 expression",
    keys: [
      column,
      text("pattern", "Find"),
      text("with", "Replace with"),
      { key: "regex", label: "Regular expression", value: { kind: "flag" } },
    ],
    start: { pattern: "", with: "" },
  },
  default: {
    title: "Default",
    does: "Set a value for empty cells",
    keys: [column, text("value", "Value")],
    start: { value: "" },
  },
  map: {
    title: "Map words",
    does: "Replace words, such as m with male",
    keys: [
      column,
      { key: "values", label: "Words, one per line: from = to", value: { kind: "pairs" } },
      choice("otherwise", "Other words", "keep", "error", "missing"),
    ],
    start: { values: {} },
  },
  parse: {
    title: "Parse a number",
    does: "Turn 1.234,50 into 1234.50",
    keys: [column, text("decimal", "Decimal separator", "."), text("group", "Thousands separator", "none")],
    start: { as: "number" },
  },
  split: {
    title: "Split",
    does: "Split one column into several",
    keys: [
      column,
      text("separator", "Separator"),
      list("into", "Into columns"),
      { key: "max", label: "Maximum pieces", value: { kind: "count" } },
    ],
    start: { separator: " ", into: [] },
  },
  concatenate: {
    title: "Join columns",
    does: "Join several columns into one",
    keys: [list("columns", "Columns"), text("separator", "Separator"), text("into", "Into column")],
    start: { columns: [], into: "" },
  },
  expression: {
    title: "Expression",
    does: "Compute a column with Polars SQL",
    keys: [
      text("into", "Into column"),
      {
        key: "sql",
        label: "SQL",
        value: { kind: "long", placeholder: "CAST(price AS DECIMAL(12, 2)) * CAST(qty AS INT)" },
      },
    ],
    start: { into: "", sql: "" },
  },
};

export const FILTERS: Readonly<Record<string, StepForm>> = {
  expression: {
    title: "Expression",
    does: "Keep rows for which it is true",
    keys: [
      { key: "expression", label: "SQL condition", value: { kind: "long", placeholder: "country <> 'XX'" } },
      reason,
    ],
    start: { expression: "" },
  },
  in: {
    title: "One of",
    does: "Keep rows whose cell is one of these",
    keys: [column, list("values", "Values"), reason],
    start: { values: [] },
  },
  not_in: {
    title: "None of",
    does: "Keep rows whose cell is none of these",
    keys: [column, list("values", "Values"), reason],
    start: { values: [] },
  },
  matches: {
    title: "Matches",
    does: "Keep rows whose whole cell matches an RE2 expression",
    keys: [column, text("pattern", "Pattern"), reason],
    start: { pattern: "" },
  },
  empty: { title: "Is empty", does: "Keep rows whose cell is empty", keys: [column, reason], start: {} },
  not_empty: {
    title: "Is not empty",
    does: "Keep rows whose cell is not empty",
    keys: [column, reason],
    start: {},
  },
};

export const RULES: Readonly<Record<string, StepForm>> = {
  rule: {
    title: "Rule",
    does: "A condition that the values of a row must meet",
    keys: [
      text("name", "Name"),
      { key: "expression", label: "SQL condition", value: { kind: "long", placeholder: "starts <= ends" } },
      text("message", "Message for rejected rows"),
      list("fields", "Fields shown with the message"),
    ],
    start: { name: "", expression: "" },
  },
};

/** Which form a filter uses: filters with an expression have no op. */
export function filterKind(step: Readonly<Record<string, unknown>>): string {
  return "expression" in step ? "expression" : String(step.op ?? "");
}

/** Creates a transform, filter or rule of a kind. */
export function newStep(
  forms: Readonly<Record<string, StepForm>>,
  kind: string,
): Readonly<Record<string, unknown>> {
  const form = forms[kind];
  const start = form?.start ?? {};
  const withColumn = form?.keys.some(({ key }) => key === "column") ? { column: "" } : {};
  if (forms === RULES || (forms === FILTERS && kind === "expression")) return start;
  return { ...withColumn, op: kind, ...start };
}

/** "m = male\nf = female" → {m: "male", f: "female"}; a line without an equals sign maps to "". */
export function readPairs(written: string): Readonly<Record<string, string>> {
  const pairs: Record<string, string> = {};
  for (const line of written.split("\n")) {
    if (line === "") continue;
    const at = line.indexOf("=");
    const from = (at < 0 ? line : line.slice(0, at)).trim();
    pairs[from] = at < 0 ? "" : line.slice(at + 1).trim();
  }
  return pairs;
}

export function writePairs(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  return Object.entries(value)
    .map(([from, to]) => `${from} = ${String(to)}`)
    .join("\n");
}
