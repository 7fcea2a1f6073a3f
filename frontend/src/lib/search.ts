/**
 * The query strings of the screens. Each function takes whatever was typed and keeps what makes sense, so
 * that an old or mangled link still opens the screen.
 */
type Raw = Record<string, unknown>;

function text(raw: unknown): string | undefined {
  if (typeof raw === "number" || typeof raw === "boolean") return String(raw);
  return typeof raw === "string" && raw !== "" ? raw : undefined;
}

function positive(raw: unknown): number | undefined {
  const value = typeof raw === "number" ? raw : Number(text(raw));
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function oneOf<Word extends string>(raw: unknown, words: readonly Word[]): Word | undefined {
  return words.find((word) => word === raw);
}

interface OverviewSearch {
  /** Length of the interval that the charts show. */
  range?: "1h" | "24h" | "7d" | "30d";
}

export function overviewSearch(raw: Raw): OverviewSearch {
  return { range: oneOf(raw.range, ["1h", "24h", "7d", "30d"]) };
}

export interface ProcessesSearch {
  /** Part of a file's name. */
  q?: string;
  /** Name of a ProcessState, such as "FAILED". */
  state?: string;
  pipeline?: string;
}

export function processesSearch(raw: Raw): ProcessesSearch {
  return { q: text(raw.q), state: text(raw.state), pipeline: text(raw.pipeline) };
}

export interface ProcessSearch {
  tab?: "rows" | "errors" | "batches" | "events";
  /** Name of a RowState, such as "FAILED". */
  state?: string;
  code?: string;
  /** "" selects errors of whole records. */
  field?: string;
  /** The open row. */
  row?: number;
  /** The row at which the list starts. */
  at?: number;
}

export function processSearch(raw: Raw): ProcessSearch {
  return {
    tab: oneOf(raw.tab, ["rows", "errors", "batches", "events"]),
    state: text(raw.state),
    code: text(raw.code),
    field: raw.field === "" ? "" : text(raw.field),
    row: positive(raw.row),
    at: positive(raw.at),
  };
}

interface PipelinesSearch {
  /** Part of a pipeline's name or title. */
  q?: string;
}

export function pipelinesSearch(raw: Raw): PipelinesSearch {
  return { q: text(raw.q) };
}

export interface PipelineSearch {
  /** Defaults to the latest. */
  version?: number;
  view?: "form" | "json" | "compare";
}

export function pipelineSearch(raw: Raw): PipelineSearch {
  return { version: positive(raw.version), view: oneOf(raw.view, ["form", "json", "compare"]) };
}

interface MapSearch {
  /** Where the rows go: "new", "json" or a pipeline's name; by default the best fit. */
  to?: string;
  /** How the file is read, as far as the person has set it. */
  dialect?: Readonly<Record<string, unknown>>;
}

export function mapSearch(raw: Raw): MapSearch {
  const { dialect } = raw;
  const isObject = typeof dialect === "object" && dialect !== null && !Array.isArray(dialect);
  return { to: text(raw.to), dialect: isObject ? (dialect as Raw) : undefined };
}

export interface AccessSearch {
  tab?: "keys" | "members" | "audit" | "quotas" | "tenants" | "roles";
  /** Filters of the audit log. */
  subject?: string;
  method?: string;
  object?: string;
  /** Days, such as "2026-11-29", in the time zone of the browser; both included. */
  from?: string;
  until?: string;
}

export function accessSearch(raw: Raw): AccessSearch {
  return {
    tab: oneOf(raw.tab, ["keys", "members", "audit", "quotas", "tenants", "roles"]),
    subject: text(raw.subject),
    method: text(raw.method),
    object: text(raw.object),
    from: day(raw.from),
    until: day(raw.until),
  };
}

function day(raw: unknown): string | undefined {
  const value = text(raw);
  return value !== undefined && /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value))
    ? value
    : undefined;
}
