import { readFileSync } from "node:fs";
import { Code } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { adviceFor, BY_REASON } from "./advice";

const DOCS = new URL("../../../docs/reference/error-codes.md", import.meta.url);

it("has advice for every reason of the server that the docs list, and for no other", () => {
  const documented = [...readFileSync(DOCS, "utf8").matchAll(/\[`([A-Z_]+)`\]\{#reason-/g)].map(
    ([, reason]) => reason,
  );
  expect(documented.length).toBeGreaterThan(90);
  expect(Object.keys(BY_REASON).sort()).toEqual([...new Set(documented)].sort());
});

it("says something of an error without a known reason, too", () => {
  expect(adviceFor("NEW_REASON", Code.NotFound).title).toBe("Not found");
  expect(adviceFor("", Code.Unknown).title).toBe("Something went wrong");
});
