/** What error codes mean, in a few words. */
const WORDS: Readonly<Record<string, string>> = {
  "type-error": "Wrong type",
  "constraint-error": "Breaks a constraint",
  "missing-cell": "Too few cells",
  "extra-cell": "Too many cells",
  "blank-row": "Blank row",
  "primary-key": "Key missing or already used",
  "unique-error": "Not unique",
  "foreign-key": "Reference not found",
  "row-constraint": "Breaks a rule",
  "encoding-error": "Wrong encoding",
  "quote-error": "Broken quotes",
  "transform-error": "Cannot be transformed",
  filtered: "Skipped by a filter",
  "sink-error": "Rejected by the table",
  "batch-error": "Its batch failed",
};

export function codeWords(code: string): string {
  return WORDS[code] ?? code;
}
