import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser, openPage } from "./chromium";
import { type Folder, makeFolder } from "./files";
import { applyPipeline, cancel, ended, ingest, pause, resume, statusOf } from "./suite";

let browser: Browser;
let folder: Folder;
/** A process that has ended: 5000 rows, of which every 50th fails, and the note of row 1000 has two lines. */
let done: string;

const FIELDS = [
  { name: "id", type: "integer" },
  { name: "amount", type: "number" },
  { name: "day", type: "date" },
  { name: "note", type: "string" },
];

/** Every 50th amount is not a number, and every 500th day is not a date. */
function writeTable(name: string, rows: number): string {
  const lines = ["id,amount,day,note"];
  for (let row = 1; row <= rows; row += 1) {
    const amount = row % 50 === 0 ? "much" : `${row}.50`;
    const day = row % 500 === 0 ? "2023-02-30" : "2023-02-28";
    lines.push(`${row},${amount},${day},${row === 1000 ? '"two\nlines"' : `note ${row}`}`);
  }
  const path = join(folder.path, name);
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

beforeAll(async () => {
  browser = await openBrowser();
  folder = makeFolder();
  await applyPipeline("page-amounts", FIELDS);
  done = await ingest(writeTable("amounts.csv", 5000), "page-amounts");
  await ended(done);
}, 120_000);

afterAll(() => folder.remove());

/** Counts the page's calls to a method. */
function countCalls(page: Page, method: string): { calls: number } {
  const seen = { calls: 0 };
  page.on("request", (request) => {
    if (request.url().endsWith(`/${method}`)) seen.calls += 1;
  });
  return seen;
}

function rows(page: Page) {
  return page.getByRole("grid", { name: "Rows" });
}

// Many more batches than are sent at a time, so that a process is paused before all of it is read.
const LARGE = 1_200_000;
const TO_THE_END = 300_000;
const LONG = { timeout: 150_000 };

describe("a running process", () => {
  test("updates live, pauses and resumes at once, and is cancelled after a confirmation", async () => {
    const processId = await ingest(writeTable("live.csv", LARGE), "page-amounts");
    await pause(processId);
    const { context, page, complaints } = await openPage(browser, `/processes/${processId}?tab=events`);
    const asked = countCalls(page, "GetProcess");
    const watched = countCalls(page, "WatchProcess");
    await page.getByText("Paused").first().waitFor();
    await page.getByRole("listitem").filter({ hasText: "No more rows are sent" }).waitFor();
    const dialog = page.getByRole("dialog");

    await page.getByRole("button", { name: "Resume" }).click();
    // The event arrived without a request.
    await page.getByRole("listitem").filter({ hasText: "Reading continues" }).waitFor();
    await page
      .getByRole("listitem")
      .filter({ hasText: /^Batch 1 sent/ })
      .waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    expect(await dialog.count()).toBe(0);

    await page.getByRole("button", { name: "Cancel" }).click();
    await dialog.getByText(/a cancelled process cannot be resumed/).waitFor();
    await dialog.getByRole("button", { name: "Cancel process" }).click();
    await page.getByRole("heading", { level: 1 }).getByText("Cancelled").waitFor();
    await page.getByRole("button", { name: "Delete" }).waitFor();
    expect(watched.calls).toBeGreaterThanOrEqual(1);
    // Never on a timer: only at the start, and after an action or an event.
    expect(asked.calls).toBeLessThan(8);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("that changed meanwhile is told as that", async () => {
    const processId = await ingest(writeTable("late.csv", LARGE), "page-amounts");
    await pause(processId);
    const { context, page } = await openPage(browser, "/");
    // The page does not hear of what happens elsewhere.
    await page.route("**/ingestor.v1.StatusService/Watch*", () => undefined);
    await page.goto(new URL(`/processes/${processId}`, page.url()).href);
    await page.getByRole("button", { name: "Resume" }).waitFor();
    await cancel(processId);
    await page.getByRole("button", { name: "Resume" }).click();
    const dialog = page.getByRole("dialog", { name: "Not resumed" });
    await dialog.getByText(/changed in the meantime, so nothing was done. It is now: “Cancelled”/).waitFor();
    expect(await dialog.textContent()).not.toContain("ILLEGAL_TRANSITION");
    await context.close();
  });

  test("counts up to its end without polling", async () => {
    const processId = await ingest(writeTable("counts.csv", TO_THE_END));
    await pause(processId);
    const { context, page, complaints } = await openPage(browser, `/processes/${processId}`);
    const read = page
      .locator("dl div")
      .filter({ has: page.getByText("Read", { exact: true }) })
      .locator("dd");
    await page.getByText("Paused").first().waitFor();
    const before = await read.textContent();
    const asked = countCalls(page, "GetProcess");
    await resume(processId);
    await expect
      .poll(async () => {
        return page.getByRole("heading", { level: 1 }).textContent();
      }, LONG)
      .toContain("Completed");
    expect(await read.textContent()).toBe("300,000");
    expect(before).not.toBe("300,000");
    expect(asked.calls).toBe(0);
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe("a process that has ended", () => {
  test("links its errors to their rows, and a row to its details", async () => {
    const { context, page, complaints } = await openPage(browser, `/processes/${done}`);
    const kinds = page.getByRole("list", { name: "Errors by kind" }).getByRole("listitem");
    await kinds.first().waitFor();
    expect(await kinds.count()).toBe(2);
    await expect.poll(() => kinds.first().textContent()).toContain("100");
    await kinds.nth(1).getByRole("link").click();
    await page.waitForURL(/tab=rows.*code=type-error.*field=day/);
    // Rows 500, 1000 ... 5000, with the invalid cell marked.
    const row = rows(page).getByRole("row").filter({ hasText: "2023-02-30" });
    await expect.poll(() => row.count()).toBe(10);
    expect(await row.first().getByRole("rowheader").textContent()).toBe("500");
    const cell = row.first().getByRole("gridcell", { name: /2023-02-30.*error: /s });
    await cell.hover();
    await cell.hover({ position: { x: 12, y: 12 } });
    await page.getByRole("tooltip").filter({ hasText: "2023-02-30" }).waitFor();

    await rows(page).focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForURL(/row=1000/);
    const drawer = page.getByRole("dialog", { name: "Row 1,000" });
    await drawer.getByText("Why it was rejected").waitFor();
    expect(await drawer.getByRole("region", { name: "Errors" }).getByRole("listitem").count()).toBe(2);
    await drawer.getByText("two\nlines").waitFor();
    await page.keyboard.press("Escape");
    await drawer.waitFor({ state: "hidden" });
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("shows its loaded rows as they are in the table, and a SELECT that finds them", async () => {
    const { context, page, complaints } = await openPage(browser, `/processes/${done}?tab=rows`);
    const row = rows(page)
      .getByRole("row")
      .filter({ has: page.getByRole("rowheader", { name: "3", exact: true }) });
    await row.getByRole("gridcell", { name: "3.50" }).waitFor();
    await row.getByRole("gridcell", { name: "note 3" }).waitFor();
    // Far down, too, and behind a filter.
    await page.getByLabel("Row number").fill("4321");
    await page.getByRole("button", { name: "Go" }).click();
    await rows(page).getByRole("gridcell", { name: "note 4321" }).waitFor();
    await page.goto(new URL(`/processes/${done}?tab=rows&state=SUCCEEDED`, page.url()).href);
    await rows(page).getByRole("gridcell", { name: "note 7", exact: true }).waitFor();
    await rows(page).getByRole("rowheader", { name: "7", exact: true }).click();
    const drawer = page.getByRole("dialog", { name: "Row 7" });
    await drawer.getByRole("heading", { name: /public\.page_amounts, as they are now/ }).waitFor();
    await drawer.getByText("2023-02-28").waitFor();
    await page.keyboard.press("Escape");

    await page
      .getByText(/had [\d,]+ rows? before, has [\d,]+ now: 4,900 of this process, [\d,]+ others\./)
      .waitFor();
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy SELECT" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
      `SELECT * FROM public.page_amounts WHERE _process_id = '${done}' ORDER BY _row_number;`,
    );
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("jumps to any row by its number, and by its line", async () => {
    const { context, page, complaints } = await openPage(browser, `/processes/${done}?tab=rows`);
    await page.getByLabel("Row number").fill("4321");
    await page.getByRole("button", { name: "Go" }).click();
    await rows(page).getByRole("rowheader", { name: "4,321" }).waitFor();
    await page.waitForURL(/at=4321/);
    // Row 1000 has two lines, so row 1500 is on line 1502.
    await page.getByLabel("Go to row or line").selectOption("line");
    await page.getByLabel("Line number").fill("1502");
    await page.getByRole("button", { name: "Go" }).click();
    await page.getByText("Line 1,502 is row 1,500.").waitFor();
    const row = rows(page)
      .getByRole("row")
      .filter({ has: page.getByRole("rowheader", { name: "1,500" }) });
    await row.getByRole("gridcell", { name: /^much.*error: /s }).waitFor();
    // The link shows the same to another person.
    const other = await openPage(browser, new URL(page.url()).pathname + new URL(page.url()).search);
    await rows(other.page).getByRole("rowheader", { name: "1,500" }).waitFor();
    await other.context.close();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("exposes a cell's error to keyboards and screen readers", async () => {
    const { context, page } = await openPage(browser, `/processes/${done}?tab=rows&state=FAILED`);
    await rows(page).getByRole("rowheader", { name: "50", exact: true }).waitFor();
    await rows(page).focus();
    for (let step = 0; step < 5; step += 1) await page.keyboard.press("ArrowRight");
    await page.getByRole("tooltip").filter({ hasText: "much" }).waitFor();
    const active = await rows(page).getAttribute("aria-activedescendant");
    expect(await page.locator(`[id="${active}"]`).textContent()).toMatch(/^much, error: .*much/);
    await context.close();
  });

  test.each([
    ["CSV", "amounts-rejected.csv"],
    ["JSON Lines", "amounts-rejected.jsonl"],
  ])("downloads its report as %s with every rejected row", async (format, name) => {
    const { context, page, complaints } = await openPage(browser, `/processes/${done}`);
    await page.evaluate(() => Reflect.deleteProperty(globalThis, "showSaveFilePicker"));
    await page.getByRole("button", { name: "Report", exact: true }).click();
    await page.getByText(format, { exact: true }).click();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download", exact: true }).click();
    const file = await download;
    expect(file.suggestedFilename()).toBe(name);
    const text = readFileSync(await file.path(), "utf8");
    if (format === "CSV") {
      expect(text.split(/\r?\n/)[0]).toBe("id,amount,day,note,_row,_line,_code,_field,_value,_message");
      expect(text).toContain("5000,much,2023-02-30,note 5000,5000,5002,");
    } else {
      const found = text
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { row: number }).row);
      expect(found).toEqual(Array.from({ length: 100 }, (_, index) => (index + 1) * 50));
    }
    await page.getByText(/Done: 100 rows/).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("streams its report to disk where the browser can", async () => {
    const { context, page, complaints } = await openPage(browser, `/processes/${done}`);
    // A test cannot operate the system's dialog; the file behind it is real.
    await page.evaluate(() => {
      const folder = navigator.storage.getDirectory();
      Object.assign(globalThis, {
        showSaveFilePicker: async () => (await folder).getFileHandle("report.csv", { create: true }),
      });
    });
    await page.getByRole("button", { name: "Report", exact: true }).click();
    await page.getByLabel("All", { exact: true }).check();
    await page.getByRole("button", { name: "Download", exact: true }).click();
    await page.getByText(/Done: 5,000 rows/).waitFor();
    const text = await page.evaluate(async () => {
      const folder = await navigator.storage.getDirectory();
      return (await (await folder.getFileHandle("report.csv")).getFile()).text();
    });
    expect(text).toContain("_row,_line,_state");
    expect(text).toContain("5000,much,2023-02-30,note 5000,5000,5002,");
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("is verified, and its receipt is saved", async () => {
    const { context, page, complaints } = await openPage(browser, `/processes/${done}`);
    await page.evaluate(() => Reflect.deleteProperty(globalThis, "showSaveFilePicker"));
    await page.getByRole("button", { name: "Verify", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Verify process" }).click();
    await dialog.getByText("File, ledger and table agree.").waitFor();
    await dialog.getByText("5,000 rows verified, 4,900 in the table.").waitFor();
    const download = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Receipt" }).click();
    const file = await download;
    expect(file.suggestedFilename()).toBe("amounts-receipt.json");
    const { receipt, signature } = JSON.parse(readFileSync(await file.path(), "utf8"));
    expect([receipt.result, receipt.process.id, receipt.rows.verified]).toEqual(["agrees", done, 5000]);
    expect(signature.algorithm).toBe("Ed25519");
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("says what deletion removes and what stays, and deletes nothing before confirmation", async () => {
    const { context, page } = await openPage(browser, `/processes/${done}`);
    await page.getByRole("button", { name: "Delete" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(/4,900 loaded rows will stay in the table/).waitFor();
    await dialog.getByText(/none of this can be restored/).waitFor();
    await dialog.getByRole("button", { name: "Not now" }).click();
    await dialog.waitFor({ state: "hidden" });
    expect((await statusOf.getProcess({ processId: done })).process?.counts?.read).toBe(5000n);
    await context.close();
  });
});

test("the address searches and filters the list, and new processes appear by themselves", async () => {
  const { context, page, complaints } = await openPage(browser, "/processes?q=AMOUNTS");
  const table = page.getByRole("table", { name: "Processes" });
  await table.getByRole("link", { name: "amounts.csv" }).first().waitFor();
  expect(await table.getByRole("link", { name: "live.csv" }).count()).toBe(0);
  await page.getByRole("button", { name: "Cancelled" }).click();
  await page.waitForURL(/state=CANCELLED/);
  await page.getByText("No matching processes").waitFor();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await table.getByRole("link", { name: "live.csv" }).first().waitFor();

  await ingest(writeTable("new-one.csv", 100));
  await table.getByRole("link", { name: "new-one.csv" }).first().waitFor();
  const line = table.getByRole("row").filter({ hasText: "new-one.csv" }).first();
  await line.getByText("Completed").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("a failed file says why it failed and what to do", async () => {
  const path = join(folder.path, "nothing.csv");
  writeFileSync(path, "");
  const processId = await ingest(path);
  await ended(processId);
  const { context, page } = await openPage(browser, `/processes/${processId}`);
  const note = page.getByRole("note", { name: "Why it failed" });
  await note.getByText("The file is empty").waitFor();
  await note.getByText(/Choose a file with a header/).waitFor();
  await note.getByText("FILE_EMPTY").waitFor();
  await context.close();
});

test("the overview shows the time range of its address, as charts and as tables", async () => {
  const { context, page, complaints } = await openPage(browser, "/");
  await page.getByText("1 hour").click();
  await page.waitForURL(/range=1h/);
  const picture = page.getByRole("img", { name: /^Rows over the last 1 hour: [\d,]+ succeeded/ });
  await picture.locator("canvas").waitFor();
  await page.getByText("Show as table").first().click();
  await page.getByRole("columnheader", { name: "Succeeded" }).waitFor();
  await page.getByText("Space left (disk)").waitFor();
  await page.getByText("Batches waiting").waitFor();
  await page
    .getByRole("navigation", { name: "Processes by state" })
    .getByRole("link", { name: /With errors/ })
    .click();
  await page.waitForURL(/state=COMPLETED_WITH_ERRORS/);
  expect(complaints).toEqual([]);
  await context.close();
});

test("while a service is down, the page says so, and then resumes by itself", async () => {
  const { context, page } = await openPage(browser, "/");
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.route("**/ingestor.v1.StatusService/**", (route) => route.abort("connectionrefused"));
  await page.getByRole("link", { name: "Processes", exact: true }).first().click();
  await page.getByText("The service for processes is not responding.").waitFor();
  await page.unroute("**/ingestor.v1.StatusService/**");
  await page
    .getByRole("table", { name: "Processes" })
    .getByRole("link", { name: "amounts.csv" })
    .first()
    .waitFor();
  await page.getByText("The service for processes is not responding.").waitFor({ state: "hidden" });
  await context.close();
});
