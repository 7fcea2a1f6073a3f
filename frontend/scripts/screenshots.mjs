// Screenshots of each screen with the sample: npm run screenshots [FOLDER], by default ../docs/images.
// INGESTOR_PAGE names a running suite; without it, one is started and stopped again.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const INGESTOR = join(ROOT, ".venv/bin/ingestor");
const SAMPLE = join(ROOT, "examples/sample/customers.csv");
const out = resolve(process.argv[2] ?? join(ROOT, "docs/images"));

function freePort() {
  return new Promise((found) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });
}

/** The address of a suite, and a function that stops it. */
async function suite() {
  if (process.env.INGESTOR_PAGE) return { address: process.env.INGESTOR_PAGE, stop: () => undefined };
  const data = mkdtempSync(join(tmpdir(), "ingestor-pictures-"));
  const port = await freePort();
  const env = { ...process.env, INGESTOR_DATA: data };
  execFileSync(INGESTOR, ["up", "--detach", "--gateway-port", String(port)], { env, stdio: "inherit" });
  return {
    address: `http://127.0.0.1:${port}`,
    stop: () => {
      execFileSync(INGESTOR, ["down"], { env, stdio: "inherit" });
      rmSync(data, { recursive: true });
    },
  };
}

async function newPage(browser, { dark = false, width = 1280, height = 800 } = {}) {
  const page = await browser.newPage({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  page.setDefaultTimeout(120_000);
  return page;
}

async function shoot(page, name) {
  await page.evaluate(() => document.fonts.ready);
  // Keeps the pointer out of the picture and waits until charts are drawn.
  await page.mouse.move(2, 2);
  await page.waitForTimeout(900);
  await page.screenshot({ path: join(out, `${name}.png`) });
  console.log(`${name}.png`);
}

/** Uploads the sample and leaves the page at the mapping. */
async function drop(page, address) {
  await page.goto(`${address}/upload`);
  await page.getByLabel("Files to upload").setInputFiles(SAMPLE);
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await page.locator("[role=table] [role=row]").nth(3).waitFor();
  await page.getByText(/would be rejected/).waitFor();
}

async function pictures(address) {
  const browser = await launch();
  try {
    const page = await newPage(browser);
    await page.goto(`${address}/upload`);
    await page.getByText("Drop files here").waitFor();
    await shoot(page, "upload");

    await drop(page, address);
    await page.getByRole("radio", { name: /New pipeline/ }).check();
    await page.getByRole("button", { name: /Row 57/ }).waitFor();
    await page.evaluate(() => scrollTo(0, 0));
    await shoot(page, "reading");
    await page
      .getByRole("heading", { name: "Columns" })
      .evaluate((heading) => heading.scrollIntoView({ block: "start" }));
    await shoot(page, "mapping");
    await page.getByRole("heading", { name: "First rows" }).scrollIntoViewIfNeeded();
    await page.getByRole("button", { name: /Row 57/ }).click();
    await page.locator("[role=table]").evaluate((grid) => grid.scrollIntoView({ block: "center" }));
    await shoot(page, "first-rows");
    await page.getByRole("button", { name: "Start" }).click();
    await page.waitForURL(/\/processes\/[0-9a-f-]{36}/);
    await page.getByText("Completed with errors").first().waitFor();
    const process = new URL(page.url()).pathname;
    await shoot(page, "process");
    await page.goto(`${address}${process}?tab=rows&state=FAILED`);
    await page.locator("main h1").waitFor();
    await shoot(page, "rows");
    await page.goto(`${address}/processes`);
    await page.locator("main h1").waitFor();
    await shoot(page, "processes");
    await page.goto(`${address}/pipelines/customers`);
    await page.getByText("Valid.").waitFor();
    await shoot(page, "pipeline");
    await page.close();

    for (const [name, look] of [
      ["overview", {}],
      ["overview-dark", { dark: true }],
      ["overview-phone", { width: 390, height: 844 }],
    ]) {
      const other = await newPage(browser, look);
      await other.goto(address);
      await other.locator("main h1").waitFor();
      await shoot(other, name);
      await other.close();
    }
  } finally {
    await browser.close();
  }
}

mkdirSync(out, { recursive: true });
const { address, stop } = await suite();
try {
  await pictures(address);
} finally {
  stop();
}
