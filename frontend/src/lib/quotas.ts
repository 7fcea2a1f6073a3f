/** What the quotas of a tenant are called, and how their amounts are written and read. */
import { formatBytes, formatCount } from "./format";

export interface QuotaLook {
  readonly name: string;
  readonly label: string;
  /** What it counts, in one sentence. */
  readonly meaning: string;
  readonly bytes?: boolean;
}

/** Every quota in display order. */
export const QUOTAS: readonly QuotaLook[] = [
  { name: "bytes_stored", label: "Storage", meaning: "Size of all stored files.", bytes: true },
  { name: "bytes_per_day", label: "Bytes per day", meaning: "Size of the files sent today.", bytes: true },
  { name: "rows_per_day", label: "Rows per day", meaning: "Rows read today." },
  { name: "open_uploads", label: "Open uploads", meaning: "Uploads that are not complete." },
  {
    name: "bytes_announced",
    label: "Announced bytes",
    meaning: "Size of open uploads that has not been sent.",
    bytes: true,
  },
  { name: "running_processes", label: "Running processes", meaning: "Processes that have not ended." },
  { name: "pipelines", label: "Pipelines", meaning: "Pipelines that are not deleted." },
  { name: "tables", label: "Tables", meaning: "Tables of the tenant." },
  { name: "streams", label: "Streams", meaning: "Live views and downloads at the same time." },
];

/** A quota that this page does not know yet is shown by its name. */
export function quotaLook(name: string): QuotaLook {
  return (
    QUOTAS.find((known) => known.name === name) ?? { name, label: name.replaceAll("_", " "), meaning: "" }
  );
}

/** 1536 → "1.5 KiB" for bytes, "1,536" for everything else. */
export function formatAmount(name: string, amount: number | bigint): string {
  return quotaLook(name).bytes ? formatBytes(amount) : formatCount(amount);
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1e3,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1e6,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1e9,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1e12,
};

/** "10 GiB" or "1,000" as a number; undefined: no limit; null: it cannot be understood. */
export function readAmount(name: string, text: string): bigint | undefined | null {
  const given = text.replace(/[,\s_]/g, "").toLowerCase();
  if (given === "") return undefined;
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(given) ?? [];
  const factor = quotaLook(name).bytes ? UNITS[unit] : unit === "" ? 1 : undefined;
  if (digits === "" || factor === undefined) return null;
  const whole = /^\d+$/.test(digits);
  if (!whole && factor === 1) return null;
  const amount = whole ? BigInt(digits) * BigInt(factor) : BigInt(Math.round(Number(digits) * factor));
  return amount > 2n ** 63n - 1n ? null : amount;
}

/** A limit as readAmount reads it: exact, in the largest unit that divides it. */
export function writeAmount(name: string, amount: bigint | undefined): string {
  if (amount === undefined) return "";
  if (!quotaLook(name).bytes) return String(amount);
  for (const [unit, factor] of [
    ["TiB", 1024n ** 4n],
    ["GiB", 1024n ** 3n],
    ["MiB", 1024n ** 2n],
    ["KiB", 1024n],
  ] as const) {
    if (amount > 0n && amount % factor === 0n) return `${amount / factor} ${unit}`;
  }
  return `${amount} B`;
}
