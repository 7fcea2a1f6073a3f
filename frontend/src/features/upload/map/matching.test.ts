import { describe, expect, it } from "vitest";
import { editDistance, fitOf, likeness, matchColumns, normalise } from "./matching";

const column = (label: string, type = "string") => ({ label, type });
const field = (name: string, type = "string", label = name, title = "") => ({ name, type, label, title });
const pairs = (
  columns: readonly { label: string; type: string }[],
  fields: readonly ReturnType<typeof field>[],
) => Object.fromEntries(matchColumns(columns, fields).map((match) => [match.field, match.label]));

it.each([
  ["Größe (cm)", "grosse cm"],
  ["customerId", "customer id"],
  ["  E-Mail ", "e mail"],
  ["ORDER_NO", "order no"],
])("normalises %s", (text, plain) => {
  expect(normalise(text)).toBe(plain);
});

it.each([
  ["", "abc", 3],
  ["kitten", "sitting", 3],
  ["abcd", "abdc", 1],
  ["same", "same", 0],
])("%s to %s takes %d edits", (a, b, edits) => {
  expect(editDistance(a, b)).toBe(edits);
  expect(editDistance(b, a)).toBe(edits);
});

describe("likeness", () => {
  it.each([
    ["customer_id", "Customer ID", 0.97],
    ["order_no", "Order Number", 0.9],
    ["email", "E-Mail", 0.9],
    ["email", "Mail", 0.9],
    ["last_name", "Surname", 0.9],
    ["quantity", "Qty", 0.9],
    ["country", "Contry", 0.8],
    ["customer_id", "Customer No.", 0.4],
  ])("%s is like %s", (a, b, least) => {
    expect(likeness(a, b)).toBeGreaterThanOrEqual(least);
    expect(likeness(b, a)).toBe(likeness(a, b));
  });

  it.each([
    ["id", "ip"],
    ["no", "to"],
    ["name", "date"],
    ["price", "phone"],
    ["", "x"],
  ])("%s is not like %s", (a, b) => {
    expect(likeness(a, b)).toBeLessThan(0.55);
  });
});

describe("matchColumns", () => {
  it("keeps the columns that the pipeline already reads, whatever else is similar", () => {
    const columns = [column("id"), column("Customer No.")];
    expect(pairs(columns, [field("id", "integer", "Customer No.")])).toEqual({ id: "Customer No." });
  });

  it("finds renamed columns", () => {
    const columns = [
      column("Customer Number", "integer"),
      column("E-Mail"),
      column("Sign-up date", "date"),
      column("Memo"),
    ];
    const fields = [
      field("customer_no", "integer"),
      field("email"),
      field("signup_date", "date"),
      field("credit_limit", "number"),
    ];
    expect(pairs(columns, fields)).toEqual({
      customer_no: "Customer Number",
      email: "E-Mail",
      signup_date: "Sign-up date",
      credit_limit: null,
    });
  });

  it("assigns no column twice", () => {
    const matches = pairs([column("name")], [field("first_name"), field("name"), field("last_name")]);
    expect(matches).toEqual({ first_name: null, name: "name", last_name: null });
  });

  it("lets types decide between similar names", () => {
    const columns = [column("created by"), column("created on", "date")];
    expect(pairs(columns, [field("created", "date")])).toEqual({ created: "created on" });
  });

  it("uses a field's title", () => {
    expect(
      pairs([column("Umsatz netto", "number")], [field("rev", "number", "rev", "Umsatz, netto")]),
    ).toEqual({
      rev: "Umsatz netto",
    });
  });

  it("is certain of equal names and less certain of others", () => {
    const [equal, like] = matchColumns(
      [column("a_name"), column("contry")],
      [field("a_name"), field("country")],
    );
    expect(equal?.confidence).toBe(1);
    expect(like?.confidence).toBeGreaterThan(0.55);
    expect(like?.confidence).toBeLessThan(0.97);
  });
});

it("scores how well a pipeline fits", () => {
  expect(fitOf([])).toBe(0);
  expect(fitOf(matchColumns([column("a")], [field("a"), field("zzzz")]))).toBe(0.5);
});
