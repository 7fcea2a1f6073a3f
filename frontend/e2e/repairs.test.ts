import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { choose, openBrowser, openPage } from "./chromium";
import { type Folder, makeFolder } from "./files";
import { applyPipeline, ended, ingest } from "./suite";

let browser: Browser;
let folder: Folder;

beforeAll(async () => {
  browser = await openBrowser();
  folder = makeFolder();
});

afterAll(() => folder.remove());

test("a file with bad rows is uploaded, mapped, reviewed and repaired until every row is in the table, then undone and deleted", async () => {
  const lines = ["id,amount"];
  for (let row = 1; row <= 60; row += 1) lines.push(`${row},${row % 20 === 0 ? "much" : row}`);
  const path = join(folder.path, "repairs.csv");
  writeFileSync(path, `${lines.join("\n")}\n`);

  const { context, page, complaints } = await openPage(browser, "/upload");
  await choose(page, path);
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await page.getByRole("radio", { name: /New pipeline/ }).check();
  await page.getByLabel("Type of amount").selectOption("number");
  await page.getByLabel("Pipeline name").fill("page-repairs");
  await page.getByRole("textbox", { name: "Table" }).fill("page_repairs");
  await page.getByText(/60 rows: 57 would load, 3 would be rejected/).waitFor();
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL(/\/processes\/[0-9a-f-]{36}/);
  await page.getByText("Completed with errors").first().waitFor();

  // The reason of a failure is at its cell.
  await page.getByRole("list", { name: "Errors by kind" }).getByRole("link").first().click();
  const bad = page.getByRole("grid", { name: "Rows" }).getByRole("row").filter({ hasText: "much" });
  await expect.poll(() => bad.count()).toBe(3);
  await bad
    .first()
    .getByRole("gridcell", { name: /^amount: "much" is not a number/ })
    .waitFor();

  await page.evaluate(() => Reflect.deleteProperty(globalThis, "showSaveFilePicker"));
  await page.getByRole("button", { name: "Report", exact: true }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download", exact: true }).click();
  const report = readFileSync(await (await download).path(), "utf8");
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  const repairFile = join(folder.path, "repaired.csv");
  writeFileSync(repairFile, report.replaceAll(/^(\d+),much,/gm, "$1,5.00,"));
  await page.getByLabel("Repair file", { exact: true }).setInputFiles(repairFile);

  // The repair is listed, and the process itself is updated.
  const repair = page.getByRole("list", { name: "Repairs of this process" }).getByRole("listitem");
  await repair.getByText(/3 repaired, 0 failed/).waitFor();
  await page.getByRole("heading", { level: 1 }).getByText("Completed", { exact: true }).waitFor();
  await page.getByRole("img", { name: "60 succeeded" }).waitFor();

  await page.getByRole("button", { name: "Undo" }).click();
  const dialog = page.getByRole("dialog");
  const removed = dialog.locator("dl div").filter({ hasText: "Rows removed" }).locator("dd");
  await expect.poll(() => removed.textContent()).toBe("60");
  await dialog.getByText(/an undo cannot be reversed/).waitFor();
  await dialog.getByRole("button", { name: "Undo process" }).click();
  await page.getByText("This process was undone.").waitFor();

  await page.getByRole("button", { name: "Delete" }).click();
  await dialog.getByText("Its rows were taken out of the table when it was undone.").waitFor();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.waitForURL(/\/processes$/);
  expect(complaints).toEqual([]);
  await context.close();
});

test("the failed rows are downloaded where they are dropped back; a wrong file is refused with what it lacks, and a record that could not be split loads by its text", async () => {
  const path = join(folder.path, "unsplit.csv");
  writeFileSync(path, "id,name\n1,Ada\n2,Bob,x\n3,Eve\n");
  await applyPipeline("page-unsplit", [
    { name: "id", type: "integer" },
    { name: "name", type: "string" },
  ]);
  const processId = await ingest(path, "page-unsplit");
  await ended(processId);
  const { context, page, complaints } = await openPage(browser, `/processes/${processId}`);
  await page.evaluate(() => Reflect.deleteProperty(globalThis, "showSaveFilePicker"));
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download 1 failed row" }).click();
  const workbook = await download;
  expect(workbook.suggestedFilename()).toBe("unsplit-failed.xlsx");

  const input = page.getByLabel("Repair file", { exact: true });
  await input.setInputFiles(path);
  await page.getByText("This is no report of this process.").waitFor();
  await page.getByText("It lacks the column “_row”.").waitFor();
  await page.getByRole("button", { name: "Remove unsplit.csv from the list" }).click();

  // As a spreadsheet would save it, with the text in _value corrected.
  const repairFile = join(folder.path, "unsplit-failed.csv");
  writeFileSync(
    repairFile,
    'id,name,_row,_line,_code,_field,_value,_message\n,,2,3,extra-cell,,"2,""Bob, x""",too many\n',
  );
  await input.setInputFiles(repairFile);
  const repair = page.getByRole("list", { name: "Repairs of this process" }).getByRole("listitem");
  await repair.getByText(/1 repaired, 0 failed/).waitFor();
  await page.goto(new URL(`/processes/${processId}?tab=rows`, page.url()).href);
  await page.getByRole("grid", { name: "Rows" }).getByRole("gridcell", { name: "Bob, x" }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});
