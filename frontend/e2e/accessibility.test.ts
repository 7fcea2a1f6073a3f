import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findings } from "./axe";
import { choose, openBrowser, openPage, PAGE, type Watched, watch } from "./chromium";
import { type Folder, makeFolder, writePeople } from "./files";
import { tabTo } from "./focus";

let browser: Browser;
let folder: Folder;
/** Of one page that goes from screen to screen, so that it has the code of most of them already. */
let screens: Watched;
let mapping: string;
let process: string;

beforeAll(async () => {
  browser = await openBrowser();
  folder = makeFolder();
  // A process with failed rows, and an upload being mapped.
  const { context, page } = await openPage(browser, "/upload");
  await choose(page, writePeople(folder, "axe.csv"));
  await page.getByRole("radio", { name: /New pipeline/ }).check();
  await page.getByLabel("Type of age").selectOption("integer");
  await page.getByLabel("Pipeline name").fill("page-axe");
  await page.getByRole("textbox", { name: "Table" }).fill("page_axe");
  await page.getByText(/2 would be rejected/).waitFor();
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL(/\/processes\//);
  await page.getByText("Completed with errors").first().waitFor();
  process = new URL(page.url()).pathname;
  await page.goto(`${PAGE}/upload`);
  await choose(page, writePeople(folder, "axe-map.csv"));
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await page.getByRole("heading", { name: "First rows" }).waitFor();
  mapping = `${new URL(page.url()).pathname}?to=page-axe`;
  await context.close();
  screens = await openPage(browser);
}, 180_000);

afterAll(async () => {
  await screens.context.close();
  folder.remove();
});

/** Name, address, and an element that shows once the screen has loaded. */
const SCREENS: readonly (readonly [string, () => string, string])[] = [
  ["overview", () => "/", "main h1"],
  ["upload", () => "/upload", "main h1"],
  ["mapping", () => mapping, "[role=table] [role=row]:nth-child(3)"],
  ["processes", () => "/processes", "main [role=rowgroup] [role=row]"],
  ["process", () => process, "main [aria-label='Errors by kind'] li"],
  ["rows of a process", () => `${process}?tab=rows&state=FAILED`, "main [role=grid] [data-problem]"],
  ["a row", () => `${process}?tab=rows&row=20`, "[role=dialog] dl"],
  ["batches of a process", () => `${process}?tab=batches`, "main [aria-label=Batches] tbody tr"],
  ["events of a process", () => `${process}?tab=events`, "main ol li"],
  ["pipelines", () => "/pipelines", "main table tbody tr"],
  ["pipeline, form", () => "/pipelines/page-axe", "main table tbody tr"],
  ["pipeline, JSON", () => "/pipelines/page-axe?view=json", "main textarea"],
  ["pipeline, changes", () => "/pipelines/page-axe?view=compare", "main h2"],
  ["access, keys", () => "/access?tab=keys", "[role=tabpanel]"],
  ["access, quotas", () => "/access?tab=quotas", "ul[aria-label=Quotas] li"],
  ["access, roles", () => "/access?tab=roles", "[role=tabpanel] tbody"],
  ["new pipeline", () => "/pipelines/_new", "main table tbody tr"],
  ["unknown page", () => "/nothing/here", "main h1"],
  ["unknown process", () => "/processes/00000000-0000-4000-8000-000000000000", "main [role=alert]"],
];

const LOOKS = [
  { name: "light", dark: false, width: 1280 },
  { name: "dark", dark: true, width: 1280 },
  { name: "light, phone", dark: false, width: 390 },
] as const;

/** How many animations that end by themselves are still running in the page. */
const transitions = () =>
  document
    .getAnimations()
    .filter((one) => one.playState === "running" && one.effect?.getComputedTiming().endTime !== Infinity)
    .length;

test.each(SCREENS)("%s: axe finds nothing serious, whatever the look", async (_name, path, there) => {
  const { page, complaints } = screens;
  complaints.length = 0;
  await page.goto(PAGE + path());
  for (const { name, dark, width } of LOOKS) {
    await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
    await page.setViewportSize({ width, height: 900 });
    await expect
      .poll(() => page.evaluate(() => document.documentElement.dataset.mantineColorScheme))
      .toBe(dark ? "dark" : "light");
    await page.locator(there).first().waitFor();
    // Streams never end, so the network is never idle; wait for the skeletons instead.
    await expect.poll(() => page.getByRole("status", { name: /^(Loading|Reading|Running)/ }).count()).toBe(0);
    // Colours change by transitions; half-way they are of neither look.
    await expect.poll(() => page.evaluate(transitions)).toBe(0);
    const found = await findings(page);
    for (const finding of found) console.log(`${name}: ${finding}`);
    expect(found, name).toEqual([]);
    // Nothing overflows sideways.
    expect(
      await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
      name,
    ).toBeLessThanOrEqual(0);
  }
  expect(complaints).toEqual([]);
});

test("everything can be reached by keyboard, starting with the skip link", async () => {
  const { context, page } = await openPage(browser, "/");
  await page.locator("main h1").waitFor();
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to content");
  await page.keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
  // A navigation moves the focus to the new screen's heading.
  await page.getByRole("link", { name: "Pipelines" }).first().click();
  await page.getByRole("heading", { level: 1, name: "Pipelines" }).waitFor();
  await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe("Pipelines");
  await context.close();
});

interface Screen {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** 2: zoomed to 200 %, which leaves half of the screen's width and height. */
  readonly zoom: 1 | 2;
  readonly dark: boolean;
}

const SIZES: readonly Screen[] = [
  { name: "phone", width: 390, height: 844, zoom: 1, dark: false },
  { name: "tablet", width: 768, height: 1024, zoom: 1, dark: true },
  { name: "desktop", width: 1280, height: 900, zoom: 1, dark: false },
  { name: "desktop, dark", width: 1280, height: 900, zoom: 1, dark: true },
  { name: "desktop at 200 %", width: 640, height: 450, zoom: 2, dark: false },
  { name: "desktop at 200 %, dark", width: 640, height: 450, zoom: 2, dark: true },
];

async function open({ width, height, zoom, dark }: Screen, path: string) {
  const context = await browser.newContext({
    viewport: { width, height },
    deviceScaleFactor: zoom,
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(90_000);
  const page = await context.newPage();
  // The browser's own dialogs cannot be operated by a test; without them there are the usual ones.
  await page.addInitScript(() => {
    Reflect.deleteProperty(globalThis, "showOpenFilePicker");
    Reflect.deleteProperty(globalThis, "showSaveFilePicker");
    const shifts: number[] = [];
    Object.assign(globalThis, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number })[])
        shifts.push(entry.value);
    }).observe({ type: "layout-shift", buffered: true });
  });
  const complaints: string[] = [];
  watch(page, complaints);
  await page.goto(PAGE + path);
  return { context, page, complaints };
}

/** How far what is on the screen has moved by itself: 0.1 and more is felt (web.dev/cls). */
const shifted = (page: Page) =>
  page.evaluate(() =>
    (globalThis as unknown as { shifts: number[] }).shifts.reduce((all, one) => all + one, 0),
  );

/** The widths of the boxes to type in and to choose from that are shown. */
const inputWidths = (page: Page) =>
  page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("main table :is(input, select)")]
      .filter((one) => !["checkbox", "radio", "file"].includes((one as HTMLInputElement).type))
      .map((one) => one.offsetWidth),
  );

test.each(SIZES)("$name: by keyboard from the file to the report, and everything is seen", async (look) => {
  const { context, page, complaints } = await open(look, "/upload");
  await page.locator("main h1").waitFor();
  const chooser = page.waitForEvent("filechooser");
  await tabTo(page, /choose|browse/i);
  await page.keyboard.press("Enter");
  await (await chooser).setFiles(writePeople(folder, `keys-${look.name.replaceAll(/\W+/g, "-")}.csv`));
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await page.getByRole("heading", { name: "First rows" }).waitFor();
  // The targets are one group of radio buttons, of which Tab takes the chosen one.
  await page.getByRole("radio", { name: /New pipeline/ }).waitFor();
  await tabTo(page, ({ kind }) => kind === "radio");
  const made = page.getByRole("radio", { name: /New pipeline/ });
  for (let step = 0; step < 20 && !(await made.isChecked()); step += 1)
    await page.keyboard.press("ArrowDown");
  await page.getByLabel("Type of age").waitFor();
  const widths = await inputWidths(page);
  expect(widths.length).toBeGreaterThan(3);
  expect(Math.min(...widths), "boxes to type in").toBeGreaterThanOrEqual(100);
  await tabTo(page, /^Type of age/);
  await page.keyboard.type("integer");
  await page.getByText(/2 would be rejected/).waitFor();
  expect(await findings(page), "mapping").toEqual([]);

  const name = `keys-${look.name.replaceAll(/\W+/g, "-")}`;
  await page.getByLabel("Pipeline name").fill(name);
  await page.getByRole("textbox", { name: "Table" }).fill(name.replaceAll("-", "_"));
  await expect.poll(() => page.getByRole("button", { name: "Start" }).isEnabled()).toBe(true);
  await tabTo(page, /^Start$/);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/processes\/[0-9a-f-]{36}/);
  await page.getByText("Completed with errors").first().waitFor();

  await tabTo(page, /^Report$/);
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Download report" });
  await dialog.waitFor();
  expect(await findings(page), "report").toEqual([]);
  const download = page.waitForEvent("download");
  await tabTo(page, /^Download$/);
  await page.keyboard.press("Enter");
  expect(readFileSync(await (await download).path(), "utf8")).toContain("type-error");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  expect(complaints).toEqual([]);
  await context.close();
});

test.each(SIZES)("$name: nothing moves by itself on the overview", async (look) => {
  const { context, page } = await open(look, "/");
  await page.getByRole("table", { name: "Processes" }).first().waitFor();
  await page.getByRole("heading", { name: "Latest failures" }).waitFor();
  await expect.poll(() => page.getByRole("status", { name: /^Loading/ }).count()).toBe(0);
  await page.locator("main canvas").first().waitFor();
  expect(await shifted(page)).toBeLessThan(0.05);
  await context.close();
});
