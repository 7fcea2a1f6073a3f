import { appendFileSync, statSync, utimesSync } from "node:fs";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  choose,
  countSentBytes,
  openBrowser,
  openPage,
  PAGE,
  slowDown,
  startAsRows,
  watch,
} from "./chromium";
import { type Folder, makeFolder, writeLarge, writePeople } from "./files";
import { cancel } from "./suite";

let browser: Browser;
let folder: Folder;

beforeAll(async () => {
  browser = await openBrowser();
  folder = makeFolder();
});

afterAll(() => folder.remove());

const MIB = 1024 * 1024;

test("a file with bad rows is mapped, dry-run and started, and the process shows the result", async () => {
  const { context, page, complaints } = await openPage(browser, "/upload");
  await choose(page, writePeople(folder, "people.csv"));
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await page.getByText("Delimited text (CSV, TSV) · Comma · UTF-8").waitFor();
  await page.getByRole("radio", { name: /New pipeline/ }).check();
  // The draft may type "age" as text or number; the person decides.
  await page.getByLabel("Type of age").selectOption("integer");
  await page.getByLabel("Pipeline name").fill("page-people");
  await page.getByRole("textbox", { name: "Table" }).fill("page_people");
  await page.getByText(/200 rows: 198 would load, 2 would be rejected/).waitFor();

  // The problem is marked in the grid, and the list links to it.
  await page.getByRole("button", { name: /Row 70, line 71/ }).click();
  const marked = page.getByRole("cell", { name: /Row 70, line 71, age: unknown\. / });
  await marked.waitFor();
  await expect.poll(() => marked.evaluate((cell) => cell === document.activeElement)).toBe(true);
  await marked.hover();
  await page.getByRole("tooltip").filter({ hasText: "unknown" }).waitFor();

  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL(/\/processes\/[0-9a-f-]{36}/);
  await page.getByText("Completed with errors").first().waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("a renamed column is matched by similarity, and its label becomes part of the pipeline's next version", async () => {
  const { context, page, complaints } = await openPage(browser, "/upload");
  await choose(
    page,
    writePeople(folder, "renamed.csv", { good: true, header: "ID,Full-Name,Age (years),Joined on" }),
  );
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await page.getByRole("radio", { name: /Existing pipeline/ }).check();
  await page.getByRole("combobox", { name: "Pipeline" }).selectOption("page-people");
  await expect.poll(() => page.getByLabel("Column for full_name").inputValue()).toBe("Full-Name");
  await expect.poll(() => page.getByLabel("Column for joined").inputValue()).toBe("Joined on");
  await page.getByText(/Save as version \d+ of page-people/).waitFor();
  await page.getByText(/200 rows: 200 would load/).waitFor();
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL(/\/processes\//);
  await page
    .getByText(/^Completed/)
    .first()
    .waitFor();
  await page.goto(`${PAGE}/pipelines/page-people?view=compare`);
  await page.getByText('"Full-Name"').waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("a file that cannot be a table is refused before anything is sent", async () => {
  const { context, page } = await openPage(browser, "/upload");
  const sent = await countSentBytes(page);
  await page
    .getByLabel("Files to upload")
    .setInputFiles({ name: "scan.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7\n") });
  await page.getByText("This is a PDF document.").waitFor();
  expect(sent.calls).toBe(0);
  await context.close();
});

test("an upload resumes by itself where a lost connection stopped it", async () => {
  const { context, page, complaints } = await openPage(browser, "/upload");
  const path = writeLarge(folder, "cut.csv", 12);
  const sent = await countSentBytes(page);
  const fast = await slowDown(page, 150);
  await choose(page, path);
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await expect.poll(() => sent.calls).toBeGreaterThan(2);
  await context.setOffline(true);
  await page.getByText(/No connection/).waitFor();
  const before = sent.calls;
  await context.setOffline(false);
  await fast();
  // Completing compares the SHA-256 of the whole file, so what arrived is what was chosen.
  await startAsRows(page);
  await page
    .getByText(/^Completed$/)
    .first()
    .waitFor();
  expect(sent.calls).toBeGreaterThan(before);
  // At most the pieces in flight were sent twice.
  expect(sent.bytes).toBeLessThan(statSync(path).size + 3 * MIB);
  expect(complaints).toEqual([]);
  await context.close();
});

test("an upload interrupted by a reload resumes where it stopped when the file is chosen again", async () => {
  const { context, page } = await openPage(browser, "/upload");
  const path = writeLarge(folder, "reload.csv", 12);
  const sent = await countSentBytes(page);
  const fast = await slowDown(page, 150);
  await choose(page, path);
  await expect.poll(() => sent.calls).toBeGreaterThan(3);
  page.on("dialog", (dialog) => void dialog.accept());
  await page.reload();
  await fast();
  await page.goto(`${PAGE}/upload`);
  await page.getByRole("heading", { name: "Unfinished uploads" }).waitFor();
  const before = sent.bytes;
  expect(before).toBeGreaterThan(3 * MIB);
  await choose(page, path, "Choose reload.csv to resume");
  await page
    .getByText(/reload\.csv/)
    .first()
    .waitFor();
  await page.getByText("sent. Map the columns, then start.").waitFor();
  expect(sent.bytes).toBeLessThan(statSync(path).size + 3 * MIB);
  await page.getByRole("link", { name: "Map columns" }).click();
  await startAsRows(page);
  await context.close();
});

test("a file that changed while it was sent says so, and is sent anew when it is chosen again", async () => {
  const { context, page, complaints } = await openPage(browser, "/upload");
  const path = writeLarge(folder, "changed.csv", 8);
  const url = "**/ingestor.v1.UploadService/WriteChunk";
  let begun = false;
  await page.route(url, async (route) => {
    if (!begun) {
      begun = true;
      appendFileSync(path, "1,somebody,2,late\n");
      const later = new Date(Date.now() + 10_000); // a browser may compare seconds
      utimesSync(path, later, later);
    }
    await route.continue();
  });
  await choose(page, path);
  await page.getByText("The file changed while it was sent").waitFor();
  await page.getByText(/so the rest of it cannot be read\. Nothing was loaded/).waitFor();
  await page.goto(`${PAGE}/upload`);
  await choose(page, path);
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await startAsRows(page);
  await page
    .getByText(/^Completed$/)
    .first()
    .waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("a paused upload sends nothing, and a cancelled one is discarded", async () => {
  const { context, page } = await openPage(browser, "/upload");
  const sent = await countSentBytes(page);
  await slowDown(page, 100);
  const paths = [writeLarge(folder, "held.csv", 12), writePeople(folder, "other.csv")];
  await choose(page, paths);
  await expect.poll(() => sent.calls).toBeGreaterThan(2);
  await page.getByRole("button", { name: "Pause held.csv" }).click();
  await page.getByText(/Paused at/).waitFor();
  const before = sent.calls;
  await page.waitForTimeout(600);
  expect(sent.calls).toBe(before);
  await page.getByRole("button", { name: "Resume held.csv" }).click();
  await expect.poll(() => sent.calls).toBeGreaterThan(before);
  await page.getByRole("button", { name: /Cancel held\.csv/ }).click();
  await page.getByText("Cancelled").waitFor();
  await page.reload();
  await page.getByText("Drop files here").waitFor();
  expect(await page.getByText("held.csv").count()).toBe(0);
  await context.close();
});

test("two tabs with the same file take turns", async () => {
  const { context, page, complaints } = await openPage(browser, "/upload");
  const path = writeLarge(folder, "tabs.csv", 8);
  const first = await countSentBytes(page);
  const fast = await slowDown(page, 120);
  await choose(page, path);
  await expect.poll(() => first.calls).toBeGreaterThan(2);

  const other = await context.newPage();
  watch(other, complaints);
  const second = await countSentBytes(other);
  await other.goto(`${PAGE}/upload`);
  await choose(other, path);
  await other.getByText(/Another tab is sending this file/).waitFor();
  await fast();
  await startAsRows(page);
  // The second tab sent nothing and ends with the same process.
  await other.getByRole("link", { name: "Open process" }).click();
  await expect.poll(() => new URL(other.url()).pathname).toBe(new URL(page.url()).pathname);
  expect(second.calls).toBe(0);
  expect(complaints).toEqual([]);
  await context.close();
});

test("100 MB are sent in constant memory; prints how responsive the page stays", async () => {
  const path = writeLarge(folder, "large.csv", 100);
  const { context, page, complaints } = await openPage(browser, "/upload");
  const client = await context.newCDPSession(page);
  await client.send("Performance.enable");
  const heap = async () => {
    const { metrics } = await client.send("Performance.getMetrics");
    return (metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? 0) / MIB;
  };
  await page.evaluate(() => {
    const tasks: number[] = [];
    Object.assign(globalThis, { longTasks: tasks });
    new PerformanceObserver((list) =>
      tasks.push(...list.getEntries().map((entry) => entry.duration)),
    ).observe({ type: "longtask" });
  });
  await client.send("HeapProfiler.collectGarbage");
  const before = await heap();
  const begun = Date.now();
  await choose(page, path);
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await page.getByRole("radio", { name: /JSON rows/ }).check();
  const peaks: number[] = [];
  const done = page.getByText(/Discard file/);
  await done.waitFor();
  while (await page.getByRole("progressbar").count()) {
    peaks.push(await heap());
    await page.waitForTimeout(100);
  }
  const seconds = (Date.now() - begun) / 1000;
  const tasks = await page.evaluate(() => (globalThis as unknown as { longTasks: number[] }).longTasks);
  const size = statSync(path).size / MIB;
  const peak = Math.max(...peaks);
  console.log(
    `${size.toFixed(0)} MiB sent in ${seconds.toFixed(1)} s (${(size / seconds).toFixed(0)} MiB/s); JS heap ` +
      `${before.toFixed(1)} MiB before, at most ${peak.toFixed(1)} MiB in ${peaks.length} looks; ` +
      `long tasks: ${tasks.length}, longest ${Math.max(0, ...tasks).toFixed(0)} ms`,
  );
  expect(peaks.length).toBeGreaterThan(5);
  expect(peak).toBeLessThan(before + 32);
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL(/\/processes\//);
  // Nobody looks at its rows, and the next tests want the machine.
  await cancel(new URL(page.url()).pathname.replace("/processes/", ""));
  expect(complaints).toEqual([]);
  await context.close();
}, 400_000);
