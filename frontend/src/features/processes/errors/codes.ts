/** What error codes mean, in a few words. */
const WORDS: Readonly<Record<string, string>> = {
  "type-error": "Wrong type",
  "constraint-error": "Breaks a constraint",
  "missing-cell": "Too few cells",
  "extra-cell": "Too many cells",
  "blank-row": "Blank row",
  "primary-key": "Key missing or taken",
  "unique-error": "Not unique",
  "foreign-key": "Refers to nothing",
  "row-constraint": "Breaks a rule",
  "encoding-error": "Wrong encoding",
  "quote-error": "Broken quotes",
  "transform-error": "Cannot be transformed",
  filtered: "Left out by a filter",
  "sink-error": "Refused by the table",
  "batch-error": "Its batch failed",
};

export function codeWords(code: string): string {
  return WORDS[code] ?? code;
}
