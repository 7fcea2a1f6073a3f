import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { choose, openBrowser, openPage, startAsRows } from "./chromium";
import { makeFolder, writePeople } from "./files";

// Where to write which call said which trace; whoever has the collector looks whether its spans are there.
const SENT = process.env.INGESTOR_TRACES_SENT;

test("all calls of an upload name one trace", async () => {
  if (SENT === undefined) throw new Error("INGESTOR_TRACES_SENT names no file");
  const folder = makeFolder();
  const { context, page, complaints } = await openPage(await openBrowser(), "/upload");
  const sent: { method: string; traceparent: string | undefined }[] = [];
  page.on("request", (request) => {
    if (!request.url().includes("/ingestor.v1.")) return;
    sent.push({ method: basename(request.url()), traceparent: request.headers().traceparent });
  });
  await choose(page, writePeople(folder, "traced.csv", { good: true }));
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await startAsRows(page);
  await page
    .getByText(/^Completed$/)
    .first()
    .waitFor();
  for (const { traceparent } of sent) expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  const upload = sent.filter(({ method }) => /^(CreateUpload|WriteChunk|CompleteUpload)$/.test(method));
  expect(new Set(upload.map(({ method }) => method)).size).toBe(3);
  expect(new Set(upload.map(({ traceparent }) => traceparent?.split("-")[1])).size).toBe(1);
  expect(complaints).toEqual([]);
  writeFileSync(SENT, JSON.stringify(sent));
  await context.close();
  folder.remove();
});
