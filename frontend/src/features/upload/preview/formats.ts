/** Formats of values in words, those that are offered, and values as people read them. No React. */

/** Keys of a field that say its type and how its values are written. */
export type FormatKeys = Readonly<Record<string, unknown>> & { readonly type: string };

const PARTS: Readonly<Record<string, string>> = {
  "%d": "DD",
  "%m": "MM",
  "%Y": "YYYY",
  "%y": "YY",
  "%b": "Month",
  "%B": "Month",
  "%a": "Weekday",
  "%A": "Weekday",
  "%H": "hh",
  "%I": "hh",
  "%M": "mm",
  "%S": "ss",
  "%f": "fraction",
  "%p": "AM/PM",
  "%z": "offset",
};

/** "%d/%m/%Y %I:%M %p" → "DD/MM/YYYY hh:mm AM/PM". */
export function patternInWords(pattern: string): string {
  return pattern.replace(/%[A-Za-z]/g, (part) => PARTS[part] ?? part);
}

const DAYS = [
  "%d/%m/%Y",
  "%m/%d/%Y",
  "%d.%m.%Y",
  "%d-%m-%Y",
  "%m-%d-%Y",
  "%Y/%m/%d",
  "%d/%m/%y",
  "%m/%d/%y",
  "%d.%m.%y",
  "%d %b %Y",
  "%d-%b-%Y",
  "%b %d, %Y",
];
const CLOCKS = ["%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p"];
const OFFERED: Readonly<Record<string, readonly string[]>> = {
  date: DAYS,
  datetime: DAYS.slice(0, 6).flatMap((day) => CLOCKS.map((clock) => `${day} ${clock}`)),
  time: CLOCKS,
};
const DEFAULTS: Readonly<Record<string, string>> = {
  date: "YYYY-MM-DD",
  datetime: "ISO 8601 (YYYY-MM-DDThh:mm:ss)",
  time: "hh:mm:ss",
};

/** Marks between groups of three digits, and before decimals. */
const GROUPS = ["", ",", ".", " ", "'"];
const DECIMALS = [".", ","];

export interface FormatOption {
  readonly value: string;
  readonly label: string;
  readonly keys: FormatKeys;
}

/** The formats to choose from for a field of this type; none where there is nothing to choose. */
export function formatOptions(field: FormatKeys): readonly FormatOption[] {
  const { type } = field;
  if (type === "integer") {
    const { groupChar: _group, ...others } = field;
    return GROUPS.map((group) => ({
      value: group,
      label: `1${group}234`,
      keys: group === "" ? others : { ...others, groupChar: group },
    }));
  }
  if (type === "number") {
    const { decimalChar: _decimal, groupChar: _group, ...others } = field;
    return DECIMALS.flatMap((decimal) =>
      GROUPS.filter((group) => group !== decimal).map((group) => ({
        value: decimal + group,
        label: `1${group}234${decimal}5`,
        keys: {
          ...others,
          ...(decimal === "." ? {} : { decimalChar: decimal }),
          ...(group === "" ? {} : { groupChar: group }),
        },
      })),
    );
  }
  const offered = OFFERED[type];
  if (offered === undefined) return [];
  const { format, ...others } = field;
  const own = typeof format === "string" && format !== "default" && !offered.includes(format) ? [format] : [];
  return [
    { value: "default", label: DEFAULTS[type] ?? "default", keys: others as FormatKeys },
    ...[...own, ...offered].map((pattern) => ({
      value: pattern,
      label: patternInWords(pattern),
      keys: { ...others, format: pattern } as FormatKeys,
    })),
  ];
}

/** The option that a field has. */
export function formatValue(field: FormatKeys): string {
  if (field.type === "number") return `${field.decimalChar ?? "."}${field.groupChar ?? ""}`;
  if (field.type === "integer") return `${field.groupChar ?? ""}`;
  return typeof field.format === "string" ? field.format : "default";
}

/** What else is said of how a field's values are written, in short sentences. */
export function remarks(field: FormatKeys): readonly string[] {
  const found: string[] = [];
  if (field.bareNumber === false) found.push("Currency or % beside the number is left out.");
  if (field.accounting === true) found.push("(5) and 5- are below zero.");
  if (typeof field.locale === "string") found.push(`Names of months: ${field.locale}.`);
  const missing = asTexts(field.missingValues).filter((text) => text !== "");
  if (missing.length > 0) found.push(`${missing.join(", ")}: empty.`);
  return found;
}

function asTexts(values: unknown): readonly string[] {
  if (!Array.isArray(values)) return [];
  return values.map((value) => (typeof value === "string" ? value : String(value?.value ?? "")));
}

const day = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "long",
  year: "numeric",
  timeZone: "UTC",
});

/** A value of the server (ISO 8601) as people read it: "2025-01-08" of a date → "8 January 2025". */
export function presented(type: string, understood: string): string {
  if (type !== "date" && type !== "datetime") return understood;
  const [date = "", clock] = understood.split("T");
  const moment = new Date(`${date}T00:00:00Z`);
  if (Number.isNaN(moment.getTime())) return understood;
  if (clock === undefined) return day.format(moment);
  return `${day.format(moment)}, ${clock.replace(/(:\d\d):00(?=[+-]|$)/, "$1").replace("+00:00", " UTC")}`;
}
