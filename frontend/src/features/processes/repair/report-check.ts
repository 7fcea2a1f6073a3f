/** Whether a file is a report of the repaired process: what the server will say later is said at once. */

/** How a report is read: nothing above its header or below its rows is looked for. */
export const REPORT_DIALECT = JSON.stringify({ skipLines: 0, header: true, headerRows: 1, skipFooter: 0 });

const SHOWN = 10;

/** The columns that a file with these labels lacks to be a report of a file with `columns`. */
export function lackingColumns(labels: readonly string[], columns: readonly string[]): readonly string[] {
  let row = "_row";
  while (columns.includes(row)) row = `_${row}`;
  // A JSON Lines report has its cells in one member.
  if (!labels.includes(row) && labels.includes("row") && labels.includes("cells")) return [];
  // A label that a spreadsheet would run begins with an apostrophe.
  const there = new Set(labels.flatMap((label) => [label, label.replace(/^'/, "")]));
  return [...columns.filter((column) => column !== ""), row].filter((column) => !there.has(column));
}

/** The lacking columns as a sentence. */
export function lackingWords(lacking: readonly string[]): string {
  const named = lacking.slice(0, SHOWN).map((column) => `“${column}”`);
  const more = lacking.length - named.length;
  return `It lacks the ${lacking.length === 1 ? "column" : "columns"} ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
}
