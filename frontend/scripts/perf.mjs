// Measures frames and first paint in Chromium on this machine: node scripts/perf.mjs [PROCESS_ID]
// Without an id it takes the process with the most rows. Prints figures; fails when a frame took over 50 ms
// while the rows scrolled. A busy machine delays frames too: the first line of frames, of a page at rest,
// shows how busy it is, and "work" is the CPU time of the main thread.
import { GATEWAY, launch } from "./browser.mjs";

const LONGEST_MS = 50;

const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const processId = process.argv[2] ?? (await largest());

async function largest() {
  await page.goto(`${GATEWAY}/processes`);
  const lines = page.getByRole("table", { name: "Processes" }).getByRole("row");
  await lines.nth(1).waitFor();
  const found = await lines.evaluateAll((rows) =>
    rows.slice(1).map((row) => ({
      rows: Number(row.children[3]?.textContent?.replaceAll(",", "") ?? 0),
      id: row.querySelector("a")?.pathname.split("/").at(-1) ?? "",
    })),
  );
  found.sort((a, b) => b.rows - a.rows);
  if (found[0] === undefined) throw new Error("no process to measure");
  return found[0].id;
}

const devtools = await page.context().newCDPSession(page);
await devtools.send("Performance.enable", { timeDomain: "threadTicks" });

/** CPU time of the page's main thread so far, in milliseconds. */
async function work() {
  const { metrics } = await devtools.send("Performance.getMetrics");
  return 1000 * (metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0);
}

/** Measures frames while `act` scrolls; returns their lengths in milliseconds, longest last. */
async function frames(act) {
  await page.evaluate(() => {
    const lengths = [];
    let last = performance.now();
    const tick = (now) => {
      lengths.push(now - last);
      last = now;
      if (!globalThis.stopFrames) requestAnimationFrame(tick);
    };
    globalThis.stopFrames = false;
    globalThis.frameLengths = lengths;
    requestAnimationFrame(tick);
  });
  const before = await work();
  await act();
  const spent = (await work()) - before;
  const lengths = await page.evaluate(() => {
    globalThis.stopFrames = true;
    return globalThis.frameLengths.slice(1);
  });
  return { lengths: lengths.sort((a, b) => a - b), spent };
}

let worst = 0;
function tell(what, { lengths, spent }) {
  const at = (share) => lengths[Math.min(lengths.length - 1, Math.floor(lengths.length * share))];
  const over = lengths.filter((length) => length > LONGEST_MS).length;
  worst = Math.max(worst, at(1));
  console.log(
    `${what.padEnd(34)} ${String(lengths.length).padStart(5)} frames  median ${at(0.5).toFixed(1)} ms  ` +
      `p99 ${at(0.99).toFixed(1)} ms  longest ${at(1).toFixed(1)} ms  over ${LONGEST_MS} ms: ${over}` +
      `  work ${(spent / lengths.length).toFixed(1)} ms a frame`,
  );
}

// First paint and readiness of the screens, with a cold cache.
for (const path of ["/", "/upload", "/processes", `/processes/${processId}`, "/pipelines"]) {
  const fresh = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const tab = await fresh.newPage();
  const begun = Date.now();
  await tab.goto(GATEWAY + path);
  await tab.locator("main h1").first().waitFor();
  const heading = Date.now() - begun;
  const paint = await tab.evaluate(
    () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN,
  );
  const shift = await tab.evaluate(
    () =>
      new Promise((resolve) => {
        let sum = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
        }).observe({ type: "layout-shift", buffered: true });
        setTimeout(() => resolve(sum), 1500);
      }),
  );
  console.log(
    `${path.replace(processId, "PROCESS").padEnd(34)} first paint ${paint.toFixed(0)} ms  heading ${heading} ms  layout shift ${shift.toFixed(3)}`,
  );
  await fresh.close();
}

await page.goto(`${GATEWAY}/processes/${processId}?tab=rows`);
const grid = page.getByRole("grid", { name: "Rows" });
await grid.waitFor();
await page.locator('[data-index="0"]').waitFor();
await page.waitForTimeout(2500);
console.log(`rows of ${processId}: ${Number(await grid.getAttribute("aria-rowcount")) - 1}`);

tell("at rest", await frames(() => page.waitForTimeout(3000)));
worst = 0;
await grid.hover();
tell(
  "wheel, 300 notches",
  await frames(async () => {
    for (let notch = 0; notch < 300; notch += 1) {
      await page.mouse.wheel(0, 240);
      await page.waitForTimeout(8);
    }
  }),
);
tell(
  "scroll bar dragged over all rows",
  await frames(() =>
    grid.evaluate(
      (element) =>
        new Promise((resolve) => {
          const most = element.scrollHeight - element.clientHeight;
          let step = 0;
          const move = () => {
            step += 1;
            element.scrollTop = (most * step) / 240;
            if (step < 240) requestAnimationFrame(move);
            else resolve();
          };
          requestAnimationFrame(move);
        }),
    ),
  ),
);
await grid.focus();
tell(
  "keys, 200 pages up",
  await frames(async () => {
    for (let key = 0; key < 200; key += 1) await page.keyboard.press("PageUp");
  }),
);
await browser.close();
if (worst > LONGEST_MS) {
  console.error(`a frame took over ${LONGEST_MS} ms`);
  process.exit(1);
}
