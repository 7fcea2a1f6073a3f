/** Rows copied from a spreadsheet, as a file. */

/** The file of a pasted table; null for a text that is none. `now` names it. */
export function pastedTable(text: string, now: Date): File | null {
  const lines = text.split(/\r\n?|\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0 || (lines.length < 2 && !text.includes("\t"))) return null;
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  const tabs = text.includes("\t");
  return new File([text], `pasted-${day}-${time}.${tabs ? "tsv" : "csv"}`, {
    type: tabs ? "text/tab-separated-values" : "text/csv",
    lastModified: now.getTime(),
  });
}

/** Whether a paste belongs to the element that has the focus. */
export function takesText(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.closest("input, textarea, select, [role=textbox]") !== null)
  );
}
