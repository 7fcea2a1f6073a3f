/** The dialect of a process in a few words: "CSV · comma · UTF-8". */

const DELIMITERS: Readonly<Record<string, string>> = {
  ",": "comma",
  ";": "semicolon",
  "\t": "tab",
  "|": "bar",
  " ": "space",
};

export function dialectWords(json: string): string {
  let dialect: Record<string, unknown>;
  try {
    const parsed: unknown = JSON.parse(json);
    if (typeof parsed !== "object" || parsed === null) return "";
    dialect = parsed as Record<string, unknown>;
  } catch {
    return "";
  }
  const words: string[] = [];
  const text = (key: string) => (typeof dialect[key] === "string" ? (dialect[key] as string) : "");
  if (text("format") !== "") words.push(text("format").toUpperCase());
  if (text("compression") !== "" && text("compression") !== "none") words.push(text("compression"));
  if (text("delimiter") !== "") {
    words.push(DELIMITERS[text("delimiter")] ?? `delimiter ${text("delimiter")}`);
  }
  if (text("encoding") !== "") words.push(text("encoding").toUpperCase());
  if (text("sheet") !== "") words.push(`sheet ${text("sheet")}`);
  return words.join(" · ");
}
