import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findings } from "./axe";
import { choose, openBrowser, openPage, PAGE, type Watched } from "./chromium";
import { type Folder, makeFolder, writePeople } from "./files";

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
