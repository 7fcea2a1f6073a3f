/** The forms of transforms, filters and rules: which keys each has, and what they hold. */

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
  /** What a new one starts with. */
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
  trim: { title: "Trim", does: "Blanks around the text go", keys: [column], start: {} },
  case: {
    title: "Letter case",
    does: "Letters become large or small",
    keys: [column, choice("to", "To", "upper", "lower", "title")],
    start: { to: "upper" },
  },
  replace: {
    title: "Replace",
    does: "Every occurrence of a text or an RE2 expression",
    keys: [
      column,
      text("pattern", "Find"),
      text("with", "Replace with"),
      { key: "regex", label: "An expression", value: { kind: "flag" } },
    ],
    start: { pattern: "", with: "" },
  },
  default: {
    title: "Default",
    does: "A value for empty cells",
    keys: [column, text("value", "Value")],
    start: { value: "" },
  },
  map: {
    title: "Map words",
    does: "Words to words, such as m to male",
    keys: [
      column,
      { key: "values", label: "Words, one a line: from = to", value: { kind: "pairs" } },
      choice("otherwise", "Other words", "keep", "error", "missing"),
    ],
    start: { values: {} },
  },
  parse: {
    title: "Parse a number",
    does: "1.234,50 becomes 1234.50",
    keys: [column, text("decimal", "Decimal mark", "."), text("group", "Group mark", "none")],
    start: { as: "number" },
  },
  split: {
    title: "Split",
    does: "One column into several",
    keys: [
      column,
      text("separator", "Separator"),
      list("into", "Into columns"),
      { key: "max", label: "At most pieces", value: { kind: "count" } },
    ],
    start: { separator: " ", into: [] },
  },
  concatenate: {
    title: "Join columns",
    does: "Several columns into one",
    keys: [list("columns", "Columns"), text("separator", "Separator"), text("into", "Into column")],
    start: { columns: [], into: "" },
  },
  expression: {
    title: "Expression",
    does: "A column computed by Polars SQL",
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
    does: "Rows for which it is true",
    keys: [
      { key: "expression", label: "SQL condition", value: { kind: "long", placeholder: "country <> 'XX'" } },
      reason,
    ],
    start: { expression: "" },
  },
  in: {
    title: "One of",
    does: "Rows whose cell is one of these",
    keys: [column, list("values", "Values"), reason],
    start: { values: [] },
  },
  not_in: {
    title: "None of",
    does: "Rows whose cell is none of these",
    keys: [column, list("values", "Values"), reason],
    start: { values: [] },
  },
  matches: {
    title: "Matches",
    does: "Rows whose whole cell matches an RE2 expression",
    keys: [column, text("pattern", "Pattern"), reason],
    start: { pattern: "" },
  },
  empty: { title: "Is empty", does: "Rows whose cell is empty", keys: [column, reason], start: {} },
  not_empty: {
    title: "Is not empty",
    does: "Rows whose cell is not empty",
    keys: [column, reason],
    start: {},
  },
};

export const RULES: Readonly<Record<string, StepForm>> = {
  rule: {
    title: "Rule",
    does: "What must hold between the values of a row",
    keys: [
      text("name", "Name"),
      { key: "expression", label: "SQL condition", value: { kind: "long", placeholder: "starts <= ends" } },
      text("message", "Message for rejected rows"),
      list("fields", "Fields shown with it"),
    ],
    start: { name: "", expression: "" },
  },
};

/** Which form a filter has: those with an expression have no op. */
export function filterKind(step: Readonly<Record<string, unknown>>): string {
  return "expression" in step ? "expression" : String(step.op ?? "");
}

/** A new transform or filter of a kind. */
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

/** "m = male\nf = female" → {m: "male", f: "female"}; a line without a sign maps to nothing yet. */
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
