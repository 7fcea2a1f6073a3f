/**
 * Files of real kinds, from the drop to the table, as somebody loads them who reads nothing. What the tables
 * must hold then, tests/e2e/page/test_page_cases.py compares with the right answers of tests/e2e/cases.
 */
import { fileURLToPath } from "node:url";
import type { Browser, Locator, Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { ProcessState } from "../../src/api/contract";
import { choose, openBrowser, openPage } from "../chromium";
import { ended } from "../suite";

const CASES = fileURLToPath(new URL("../../../tests/e2e/cases/", import.meta.url));

/** Counts what a person clicks between the drop and Start, besides naming the table. */
class Clicks {
  count = 0;

  async on(target: Locator): Promise<void> {
    this.count += 1;
    await target.click();
  }
}

interface Case {
  readonly file: string;
  /** What the page says before Start. */
  readonly says?: readonly (string | RegExp)[];
  /** What a person clicks, where something is not certain. */
  readonly decide?: (page: Page, clicks: Clicks) => Promise<void>;
}

const FILES: readonly Case[] = [
  { file: "files/duplicate-and-blank-labels.csv" },
  {
    file: "files/trailing-delims.csv",
    says: [/The last 3 columns have no label and no content and are not read/],
  },
  { file: "files/title-blank-header.csv", says: [/Lines 1 to 3 stand above the header/] },
  { file: "files/sep_line.csv", says: [/ · Semicolon · /] },
  { file: "files/no-header.csv", says: [/No header was found/, "column_1"] },
  { file: "files/us-dates.csv", says: [/^2\/2\/2025 → 2 February 2025$/] },
  { file: "files/thousands.csv", says: ["1234.50"] },
  { file: "files/yesno.csv" },
  { file: "files/null-words.csv", says: [/NULL.*: empty\./] },
  { file: "files/cyrillic.csv", says: [/ · Windows-1251 \(Cyrillic\)/] },
  { file: "workbooks/hidden-first.xlsx", says: [/3 rows × 1 column, hidden/] },
  { file: "workbooks/title-rows.xlsx" },
  { file: "workbooks/merged-header.xlsx", says: ["Person First"] },
  { file: "workbooks/formula-empty-string.xlsx" },
  { file: "workbooks/floats.xlsx" },
];

let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
});

test.each(FILES)("$file is loaded with no more clicks than it needs", async ({ file, says, decide }) => {
  const { context, page, complaints } = await openPage(browser, "/upload");
  await choose(page, CASES + file);
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  const table = `page_${file.replace(/.*\/|\..*/g, "").replaceAll("-", "_")}`;
  const fresh = page.getByRole("radio", { name: /New pipeline/ });
  await fresh.waitFor();
  // Another case with the same columns may have made a pipeline that loads this one, too.
  await fresh.check();
  await page.getByLabel("Pipeline name").fill(table.replaceAll("_", "-"));
  await page.getByRole("textbox", { name: "Table" }).fill(table);
  const clicks = new Clicks();
  await decide?.(page, clicks);
  const start = page.getByRole("button", { name: "Start" });
  await expect.poll(() => start.isEnabled()).toBe(true);
  for (const text of says ?? []) {
    await page.getByRole("main").getByText(text).filter({ visible: true }).first().waitFor();
  }
  expect(clicks.count).toBeLessThanOrEqual(decide === undefined ? 0 : 4);
  await start.click();
  await page.waitForURL(/\/processes\/[0-9a-f-]{36}/);
  const process = await ended(new URL(page.url()).pathname.replace("/processes/", ""));
  expect(ProcessState[process.state]).toBe("COMPLETED");
  expect(complaints).toEqual([]);
  await context.close();
});
