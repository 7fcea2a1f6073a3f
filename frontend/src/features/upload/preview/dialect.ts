/** Describes how a file is read. A declared dialect is a JSON object with the keys of docs/guides/reading-files.md. */

export type Dialect = Readonly<Record<string, unknown>>;

export function parseDialect(text: string): Dialect {
  if (text === "") return {};
  const value: unknown = JSON.parse(text);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Dialect) : {};
}

/** "" when nothing is declared. */
export function writeDialect(dialect: Dialect): string {
  return Object.keys(dialect).length === 0 ? "" : JSON.stringify(dialect);
}

/** Declares a key, or removes it when the value is null, so that the server detects it. */
export function declare(dialect: Dialect, key: string, value: unknown): Dialect {
  const { [key]: _before, ...rest } = dialect;
  return value === null || value === "" ? rest : { ...rest, [key]: value };
}

export const FORMATS = [
  { value: "csv", label: "Delimited text (CSV, TSV)" },
  { value: "jsonl", label: "JSON Lines" },
  { value: "json", label: "JSON array" },
  { value: "xlsx", label: "Excel workbook" },
  { value: "parquet", label: "Parquet" },
] as const;

export const DELIMITERS = [
  { value: ",", label: "Comma  ," },
  { value: ";", label: "Semicolon  ;" },
  { value: "\t", label: "Tab" },
  { value: "|", label: "Pipe  |" },
  { value: " ", label: "Space" },
  { value: ":", label: "Colon  :" },
  { value: "^", label: "Caret  ^" },
  { value: "~", label: "Tilde  ~" },
  { value: "||", label: "Two pipes  ||" },
] as const;

export const QUOTES = [
  { value: '"', label: 'Double  "' },
  { value: "'", label: "Single  '" },
] as const;

export const ENCODINGS = [
  { value: "utf-8", label: "UTF-8" },
  { value: "cp1252", label: "Windows-1252 (Western)" },
  { value: "iso8859-1", label: "Latin-1 (ISO 8859-1)" },
  { value: "iso8859-15", label: "Latin-9 (ISO 8859-15)" },
  { value: "cp1250", label: "Windows-1250 (Central European)" },
  { value: "cp1251", label: "Windows-1251 (Cyrillic)" },
  { value: "utf-16", label: "UTF-16" },
  { value: "shift_jis", label: "Shift JIS (Japanese)" },
  { value: "gb18030", label: "GB 18030 (Chinese)" },
  { value: "cp850", label: "DOS 850 (Western)" },
] as const;

interface Choice {
  readonly value: string;
  readonly label: string;
}

/** The label of a value; a value that is not a choice is shown unchanged. */
export function labelAmong(choices: readonly Choice[], value: unknown): string {
  if (typeof value !== "string" || value === "") return "";
  return choices.find((choice) => choice.value === value)?.label ?? value;
}

/** One line: how the file is read. "Delimited text · comma · UTF-8 · gzip". */
export function describeDialect(dialect: Dialect): string {
  const parts = [labelAmong(FORMATS, dialect.format)];
  if (dialect.format === "csv") parts.push(labelAmong(DELIMITERS, dialect.delimiter).replace(/\s{2}.*/, ""));
  if (dialect.format === "csv") parts.push(labelAmong(ENCODINGS, dialect.encoding));
  if (typeof dialect.compression === "string" && dialect.compression !== "none")
    parts.push(dialect.compression);
  return parts.filter((part) => part !== "").join(" · ");
}

/**
 * Whether a file of this name can be read before all of it is there: archives, which workbooks are, and Parquet say
 * at their end what they hold.
 */
export function isReadFromTheFront(fileName: string): boolean {
  return !/\.(xlsx|xlsm|parquet|zip)$/i.test(fileName);
}
