/** Chromium as a person uses it, with what a test wants to know of it. */
import type { Browser, BrowserContext, Page } from "playwright-core";
import { GATEWAY, launch } from "../scripts/browser.mjs";

export const PAGE = GATEWAY;

interface Watched {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the browser complained about: errors of scripts, and whatever the Content-Security-Policy stopped. */
  readonly complaints: string[];
}

export async function openBrowser(): Promise<Browser> {
  return launch();
}

/** A person: a browser profile of its own with one page open. */
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
    // A call that fails is told by the browser as an error of its own; the tests cut connections on purpose.
    if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(message.text())) {
      complaints.push(message.text());
    }
  });
}

/** Chooses files as with the picker; `input` is the accessible name of the place. */
export async function choose(page: Page, path: string | string[], input = "Files to upload"): Promise<void> {
  await page.getByLabel(input).setInputFiles(path);
}

/** The bytes of WriteChunk calls that a page makes, as they are sent. */
export function countSentBytes(page: Page): { bytes: number; calls: number } {
  const sent = { bytes: 0, calls: 0 };
  page.on("requestfinished", (request) => {
    if (!request.url().endsWith("/WriteChunk")) return;
    sent.bytes += request.postDataBuffer()?.length ?? 0;
    sent.calls += 1;
  });
  return sent;
}

/** Holds each WriteChunk call for so long, so that a test can look in between. Returns how to stop it. */
export async function slowDown(page: Page, milliseconds: number): Promise<() => Promise<void>> {
  const url = "**/ingestor.v1.UploadService/WriteChunk";
  await page.route(url, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    await route.continue().catch(() => undefined);
  });
  return () => page.unroute(url);
}
