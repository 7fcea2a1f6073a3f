/**
 * JSON that keeps its numbers. The server reads pipelines exactly, as decimals; a page that parsed
 * `0.10000000000000000001` into a double and wrote it back would silently change the document.
 *
 * A number that a double cannot hold becomes an ExactNumber, which is written unchanged.
 */

interface ReviverContext {
  readonly source?: string;
}
type ExactParse = (
  text: string,
  reviver: (key: string, value: unknown, context?: ReviverContext) => unknown,
) => unknown;

/** A number kept as its text. */
export class ExactNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  toString(): string {
    return this.source;
  }

  /** The form that JSON.rawJSON writes. */
  toJSON(): unknown {
    const raw = (JSON as unknown as { rawJSON?: (text: string) => unknown }).rawJSON;
    return raw === undefined ? Number(this.source) : raw(this.source);
  }
}

/** A number's sign, its digits without redundant zeros, and the exponent of the last digit. */
function canonical(text: string): string | null {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return null;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = (whole + fraction).replace(/^0+/, "");
  if (digits === "") return "0";
  const trimmed = digits.replace(/0+$/, "");
  return `${sign}${trimmed}e${Number(exponent) - fraction.length + (digits.length - trimmed.length)}`;
}

/** Parses JSON; numbers that a double cannot hold become ExactNumber. Throws SyntaxError. */
export function parseExact(text: string): unknown {
  return (JSON.parse as ExactParse)(text, (_key, value, context) => {
    if (typeof value !== "number" || context?.source === undefined) return value;
    return canonical(String(value)) === canonical(context.source) ? value : new ExactNumber(context.source);
  });
}

/** Writes JSON with its numbers unchanged. */
export function writeExact(value: unknown, indent = 2): string {
  return JSON.stringify(value, null, indent);
}
