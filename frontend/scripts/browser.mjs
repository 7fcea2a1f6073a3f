// Chromium for the tests and the screenshots; it contacts no other host.
import { chromium } from "playwright-core";

export const GATEWAY = process.env.INGESTOR_PAGE ?? "http://127.0.0.1:8080";

/** Starts the installed Chromium; INGESTOR_CHROMIUM names a different one. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.INGESTOR_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
