/** Chromium as a person uses it, with what a test observes. */
import type { Browser, BrowserContext, Page } from "playwright-core";
import { GATEWAY, launch } from "../scripts/browser.mjs";

export const PAGE = GATEWAY;

export interface Watched {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Script errors and violations of the Content-Security-Policy. */
  readonly complaints: string[];
}

let browser: Browser | null = null;

/** The one Chromium of all tests, whose files share this module; it ends with their process. */
export async function openBrowser(): Promise<Browser> {
  if (!browser?.isConnected()) browser = await launch();
  return browser;
}

/** One person: a separate browser profile with one page open. */
export async function openPage(
  browser: Browser,
  path = "/",
  options: { dark?: boolean; width?: number } = {},
): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: 900 },
    colorScheme: options.dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  // The machine may be busy with other tests.
  context.setDefaultTimeout(90_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  watch(page, complaints);
  await page.goto(PAGE + path);
  return { context, page, complaints };
}

export function watch(page: Page, complaints: string[]): void {
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // The browser also logs failed calls as errors, and the tests cut connections on purpose.
    if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(message.text())) {
      complaints.push(message.text());
    }
  });
}

/** Chooses files as the picker does; `input` is the accessible name of the input. */
export async function choose(page: Page, path: string | string[], input = "Files to upload"): Promise<void> {
  await page.getByLabel(input).setInputFiles(path);
}

/** Starts the file of an upload's page, row by row as JSON, and waits for the page of its process. */
export async function startAsRows(page: Page): Promise<void> {
  await page.getByRole("radio", { name: /JSON rows/ }).check();
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL(/\/processes\//);
}

/** Counts the bytes of a page's WriteChunk calls as they are answered. */
export async function countSentBytes(page: Page): Promise<{ bytes: number; calls: number }> {
  const sent = { bytes: 0, calls: 0 };
  // The browser does not show others what is in a Blob, so the page itself counts.
  await page.exposeFunction("countSent", (size: number) => {
    sent.bytes += size;
    sent.calls += 1;
  });
  await page.addInitScript(countFetches);
  await page.evaluate(countFetches);
  return sent;
}

function countFetches(): void {
  const { fetch } = globalThis;
  const { countSent } = globalThis as unknown as { countSent: (size: number) => void };
  globalThis.fetch = async (input, init) => {
    const answer = await fetch(input, init);
    const body = init?.body;
    if (String(input).endsWith("/WriteChunk")) {
      countSent(body instanceof Blob ? body.size : body instanceof Uint8Array ? body.byteLength : Number.NaN);
    }
    return answer;
  };
}

/**
 * Delays each WriteChunk call, so that a test can look in between. Returns a function that stops the delay.
 */
export async function slowDown(page: Page, milliseconds: number): Promise<() => Promise<void>> {
  const url = "**/ingestor.v1.UploadService/WriteChunk";
  await page.route(url, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    await route.continue().catch(() => undefined);
  });
  return () => page.unroute(url);
}
