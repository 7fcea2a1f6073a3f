import type { Browser } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { openBrowser, openPage } from "./chromium";

let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
});

test("a pipeline is created, validated while being edited, changed, compared and deleted", async () => {
  const { context, page, complaints } = await openPage(browser, "/pipelines");
  const name = `page-editor-${Date.now()}`;
  await page.getByRole("link", { name: "New pipeline" }).click();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill(name);
  await page.getByRole("textbox", { name: "Table" }).fill("pg_catalog.nothing");
  // The server's message appears at the input that it is about.
  await page.getByText("the schema belongs to the suite or to PostgreSQL").first().waitFor();
  await expect.poll(() => page.getByRole("button", { name: "Save" }).isDisabled()).toBe(true);
  await page.getByRole("textbox", { name: "Table" }).fill("page_editor");
  await page.getByRole("button", { name: "Details of id" }).click();
  await page.getByRole("textbox", { name: "At least" }).fill("9007199254740993");
  await page.getByText("Valid. Saving creates version 1.").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { level: 1, name }).waitFor();

  // Both views edit the same document, and a number that a double cannot hold stays unchanged.
  await page.getByRole("link", { name: "JSON" }).click();
  const json = page.getByRole("textbox", { name: "Document as JSON" });
  await expect.poll(() => json.inputValue()).toContain('"minimum": 9007199254740993');
  await page.getByRole("link", { name: "Form" }).click();
  await page.getByRole("combobox", { name: "Add a transform" }).selectOption("trim");
  await page.getByRole("textbox", { name: "Column", exact: true }).fill("id");
  await page.getByText("Valid. Saving creates version 2.").waitFor();
  await page.getByRole("link", { name: "JSON" }).click();
  await expect.poll(() => json.inputValue()).toMatch(/"column": "id",\s*"op": "trim"/);
  await page.getByRole("button", { name: "Save as new version" }).click();
  await page.getByText("Version 2 (latest)").waitFor({ state: "attached" });

  await page.getByRole("link", { name: "Changes" }).click();
  await page.getByText("Version 2 compared with version 1").waitFor();
  await page.getByText('"op": "trim"').waitFor();

  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByText(/Tables and loaded rows stay/).waitFor();
  await page.getByRole("button", { name: "Delete pipeline" }).click();
  await page.getByRole("heading", { level: 1, name: "Pipelines" }).waitFor();
  await expect.poll(() => page.getByRole("link", { name, exact: true }).count()).toBe(0);
  expect(complaints).toEqual([]);
  await context.close();
});

test("when the suite is down, the page says so, waits, and resumes by itself", async () => {
  const { context, page } = await openPage(browser, "/upload");
  await page.getByText("Drop files here").waitFor();
  const calls = "**/ingestor.v1.*/*";
  await page.route(calls, (route) => route.abort("connectionrefused"));
  await page.getByRole("link", { name: "Pipelines" }).click();
  await page.getByText(/not responding/).waitFor();
  await page.getByText(/resumes by itself/).waitFor();
  await page.unroute(calls);
  const list = page.getByRole("columnheader", { name: "Version" });
  await list.or(page.getByText("No pipelines yet")).waitFor();
  await expect.poll(() => page.getByText(/not responding/).count()).toBe(0);
  await context.close();
});
