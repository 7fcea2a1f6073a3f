import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, openPage } from "./chromium";
import { type Folder, makeFolder } from "./files";
import { applyPipeline, ended, ingest } from "./suite";

let browser: Browser;
let folder: Folder;

beforeAll(async () => {
  browser = await openBrowser();
  folder = makeFolder();
});

afterAll(async () => {
  await browser.close();
  folder.remove();
});

test("the corrected report is dropped back, every row ends in the table, and all of it is undone and deleted", async () => {
  await applyPipeline("page-repairs", [
    { name: "id", type: "integer" },
    { name: "amount", type: "number" },
  ]);
  const lines = ["id,amount"];
  for (let row = 1; row <= 60; row += 1) lines.push(`${row},${row % 20 === 0 ? "much" : row}`);
  const path = join(folder.path, "repairs.csv");
  writeFileSync(path, `${lines.join("\n")}\n`);
  const processId = await ingest(path, "page-repairs");
  await ended(processId);

  const { context, page, complaints } = await openPage(browser, `/processes/${processId}`);
  await page.evaluate(() => Reflect.deleteProperty(globalThis, "showSaveFilePicker"));
  await page.getByRole("button", { name: "Report", exact: true }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download" }).click();
  const report = readFileSync(await (await download).path(), "utf8");
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  const corrected = join(folder.path, "corrected.csv");
  writeFileSync(corrected, report.replaceAll(/^(\d+),much,/gm, "$1,5.00,"));
  await page.getByLabel("Corrected report").setInputFiles(corrected);

  // The repair is listed, and the process itself hears of it.
  const repair = page.getByRole("list", { name: "Repairs of this process" }).getByRole("listitem");
  await repair.getByText(/3 repaired, 0 failed/).waitFor();
  await page.getByRole("heading", { level: 1 }).getByText("Completed", { exact: true }).waitFor();
  await page.getByRole("img", { name: "60 succeeded" }).waitFor();

  await page.getByRole("button", { name: "Undo" }).click();
  const dialog = page.getByRole("dialog");
  const removed = dialog.locator("dl div").filter({ hasText: "Rows removed" }).locator("dd");
  await expect.poll(() => removed.textContent()).toBe("60");
  await dialog.getByText(/an undone process cannot be done again/).waitFor();
  await dialog.getByRole("button", { name: "Undo the process" }).click();
  await page.getByText("This process was undone.").waitFor();

  await page.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.waitForURL(/\/processes$/);
  expect(complaints).toEqual([]);
  await context.close();
});
