/** Matches the columns of a file to the fields of a pipeline, by similar names and by types. */

export interface Column {
  readonly label: string;
  /** The narrowest Table Schema type that fits its values. */
  readonly type: string;
}

interface Wanted {
  readonly name: string;
  readonly title?: string;
  readonly type: string;
  /** The label that the pipeline currently reads it from. */
  readonly label: string;
  /** Labels by which its column is known too. */
  readonly labels?: readonly string[];
}

export interface Match {
  readonly field: string;
  /** The column's label; null when none is similar. */
  readonly label: string | null;
  /** 0 to 1. */
  readonly confidence: number;
}

/** Below this a match is more often wrong than right. */
const LEAST = 0.55;

/** Synonyms in table headers, each mapped to the word it is compared as. */
const SAME_WORDS: Readonly<Record<string, string>> = {
  number: "no",
  num: "no",
  nr: "no",
  nbr: "no",
  nummer: "no",
  identifier: "id",
  ident: "id",
  key: "id",
  qty: "quantity",
  amt: "amount",
  betrag: "amount",
  menge: "quantity",
  mail: "email",
  telephone: "phone",
  tel: "phone",
  mobile: "phone",
  telefon: "phone",
  firstname: "first name",
  forename: "first name",
  vorname: "first name",
  given: "first",
  lastname: "last name",
  surname: "last name",
  nachname: "last name",
  family: "last",
  addr: "address",
  street: "address",
  zip: "postcode",
  postal: "postcode",
  plz: "postcode",
  dob: "birth date",
  birthday: "birth date",
  born: "birth date",
  birthdate: "birth date",
  cust: "customer",
  kunde: "customer",
  prod: "product",
  desc: "description",
  cat: "category",
  datum: "date",
  dt: "date",
  timestamp: "date",
  land: "country",
  ort: "city",
  town: "city",
};

/** Lower case without accents and punctuation: "Größe (cm)" → "grosse cm"; camelCase counts as two words. */
export function normalise(text: string): string {
  return text
    .replace(/(?<=\p{Ll})(?=\p{Lu})/gu, " ")
    .replaceAll("ß", "ss")
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

function words(text: string): readonly string[] {
  return normalise(text)
    .replaceAll(/\be mail\b/g, "email")
    .split(" ")
    .flatMap((word) => (SAME_WORDS[word] ?? word).split(" "))
    .filter((word) => word !== "");
}

/** Edits (insert, delete, replace, swap of neighbours) between two texts. */
export function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(
        (previous[j] ?? 0) + 1,
        (current[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (older[j - 2] ?? 0) + 1);
      }
      current.push(best);
    }
    older = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** How similar two names are, 0 to 1. */
export function likeness(a: string, b: string): number {
  if (a === b) return 1;
  const plainA = normalise(a).replaceAll(" ", "");
  const plainB = normalise(b).replaceAll(" ", "");
  if (plainA === "" || plainB === "") return 0;
  if (plainA === plainB) return 0.97;
  const wordsA = words(a);
  const wordsB = words(b);
  if (wordsA.join("") === wordsB.join("")) return 0.94;
  const byWords = wordLikeness(wordsA, wordsB);
  const longest = Math.max(plainA.length, plainB.length);
  // One edit turns a short name into a different one: "id" and "ip", "no" and "to".
  const byEdits = longest < 4 ? 0 : 0.95 * (1 - editDistance(plainA, plainB) / longest);
  return Math.max(byWords, byEdits);
}

/**
 * The share of words in common; words may differ slightly. Containing all of the shorter name's words adds
 * half.
 */
function wordLikeness(a: readonly string[], b: readonly string[]): number {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  const left = [...long];
  let found = 0;
  for (const word of short) {
    const at = left.findIndex(
      (other) => other === word || (word.length > 4 && editDistance(word, other) <= 1),
    );
    if (at < 0) continue;
    left.splice(at, 1);
    found += 1;
  }
  if (found === 0) return 0;
  const jaccard = found / (short.length + long.length - found);
  const contained = found / short.length;
  return 0.92 * (0.6 * jaccard + 0.4 * contained);
}

const NUMERIC = new Set(["integer", "number", "year"]);
const TEMPORAL = new Set(["date", "datetime", "time", "yearmonth", "year"]);

/** How well a column's values suit a field's type, as a factor. */
function typeFit(column: string, field: string): number {
  if (column === field || field === "string" || field === "any") return 1;
  if (column === "any") return 1;
  if (NUMERIC.has(column) && NUMERIC.has(field)) return 0.97;
  if (TEMPORAL.has(column) && TEMPORAL.has(field)) return 0.95;
  // A column may be typed as text only because of its bad rows.
  if (column === "string") return 0.85;
  return 0.7;
}

function score(column: Column, field: Wanted): number {
  if (column.label === field.label) return 1;
  if (field.labels?.includes(column.label)) return 0.999;
  const names = [field.label, field.name, field.title ?? ""].filter((name) => name !== "");
  const like = Math.max(...names.map((name) => likeness(name, column.label)));
  return like * typeFit(column.type, field.type);
}

/**
 * The best column for each field, in field order; no column is used twice. The most certain pair is taken
 * first, and of equally certain ones the earlier, so that the result is deterministic.
 */
export function matchColumns(columns: readonly Column[], fields: readonly Wanted[]): readonly Match[] {
  const pairs = fields
    .flatMap((field, at) => columns.map((column, place) => ({ at, place, confidence: score(column, field) })))
    .filter(({ confidence }) => confidence >= LEAST)
    .sort((a, b) => b.confidence - a.confidence || a.at - b.at || a.place - b.place);
  const chosen = new Map<number, { readonly label: string; readonly confidence: number }>();
  const taken = new Set<number>();
  for (const { at, place, confidence } of pairs) {
    const label = columns[place]?.label;
    if (chosen.has(at) || taken.has(place) || label === undefined) continue;
    chosen.set(at, { label, confidence });
    taken.add(place);
  }
  return fields.map(({ name }, at) => {
    const { label, confidence } = chosen.get(at) ?? { label: null, confidence: 0 };
    return { field: name, label, confidence: Math.round(confidence * 100) / 100 };
  });
}

/** How well a pipeline fits a file, 0 to 1: the mean confidence of its fields. */
export function fitOf(matches: readonly Match[]): number {
  if (matches.length === 0) return 0;
  return matches.reduce((sum, { confidence }) => sum + confidence, 0) / matches.length;
}
