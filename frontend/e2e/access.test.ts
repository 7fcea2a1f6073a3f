/** Signing in, roles, and the screen “Access”, against a suite with sign-in at INGESTOR_AUTH_PAGE. */
import { readFileSync } from "node:fs";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findings } from "./axe";
import { choose, openBrowser, startAsRows, watch } from "./chromium";
import { type Folder, makeFolder, writeLarge, writePeople } from "./files";

const PAGE = process.env.INGESTOR_AUTH_PAGE ?? "";

let browser: Browser;
let folder: Folder;

beforeAll(async () => {
  browser = await openBrowser();
  folder = makeFolder();
});

afterAll(() => folder.remove());

interface Person {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Script errors and violations of the Content-Security-Policy. */
  readonly complaints: string[];
}

/** Chooses at the provider who to be. */
async function chooseUser(page: Page, id: string): Promise<void> {
  await page.locator(`button[name=user][value="${id}"]`).click();
}

/** A person with a browser of its own, who opens a screen and signs in. */
async function signIn(id: string, path = "/"): Promise<Person> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(90_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  watch(page, complaints);
  await page.goto(PAGE + path);
  await chooseUser(page, id);
  await page.waitForURL(PAGE + path);
  await page.getByRole("region", { name: "Account" }).waitFor();
  return { context, page, complaints };
}

/** Everything that the browser keeps, as text. */
async function stored(page: Page): Promise<string> {
  return page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]));
}

describe.skipIf(PAGE === "")("where people sign in", () => {
  test("a person signs in, returns to the screen it opened, and no token is stored", async () => {
    const { context, page, complaints } = await signIn("viewer@acme", "/processes?state=FAILED");
    const account = page.getByRole("region", { name: "Account" });
    await account.getByText("Vera of acme").waitFor();
    await account.getByText("acme", { exact: true }).waitFor();
    await page.getByRole("heading", { level: 1, name: "Processes" }).waitFor();
    await page.getByRole("button", { name: "Failed", pressed: true }).waitFor();
    expect(await stored(page)).not.toMatch(/eyJ|refresh_token|access_token/);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("a viewer is offered nothing that a viewer may not do", async () => {
    const { context, page, complaints } = await signIn("viewer@acme", "/upload");
    await page.getByText("To send files, you need the role uploader or author.").waitFor();
    expect(await page.getByLabel("Files to upload").count()).toBe(0);
    const places = page.getByRole("navigation", { name: "Main" });
    expect(await places.getByRole("link", { name: "Upload" }).count()).toBe(0);
    await places.getByRole("link", { name: "Pipelines" }).click();
    await page.getByRole("heading", { level: 1, name: "Pipelines" }).waitFor();
    expect(await page.getByRole("link", { name: "New pipeline" }).count()).toBe(0);
    await places.getByRole("link", { name: "Access" }).click();
    await page.getByText("You are Vera of acme: viewer in acme.").waitFor();
    expect(await page.getByRole("tab").allTextContents()).toEqual(["Quotas", "Roles"]);
    await page.getByRole("list", { name: "Quotas" }).getByText("Storage").waitFor();
    await page.getByRole("tab", { name: "Roles" }).click();
    await page
      .getByRole("row", { name: /^Delete process no no no yes yes/ })
      .first()
      .waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("an uploader sends a file as JSON rows, and is offered no pipeline to write and no deletion", async () => {
    const { context, page, complaints } = await signIn("uploader@acme", "/upload");
    await choose(page, writePeople(folder, "of-an-uploader.csv"));
    await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
    await page.getByRole("radio", { name: /JSON rows/ }).check();
    expect(await page.getByRole("radio", { name: /New pipeline/ }).count()).toBe(0);
    await page.getByRole("button", { name: "Start" }).click();
    await page.waitForURL(/\/processes\//);
    await page.getByText("Completed").first().waitFor();
    await page.getByRole("button", { name: "Report" }).waitFor();
    expect(await page.getByRole("button", { name: "Delete" }).count()).toBe(0);
    expect(complaints).toEqual([]);

    // Another tenant does not see it.
    const foreign = await signIn("admin@globex", new URL(page.url()).pathname);
    await foreign.page.getByText("Process not found").waitFor();
    await foreign.context.close();
    await context.close();
  });

  test("signing out ends the session here and at the provider", async () => {
    const { context, page } = await signIn("viewer@acme");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "You are signed out" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "You are signed out" }).waitFor();
    await page.getByRole("button", { name: "Sign in" }).click();
    // The provider asks again.
    await chooseUser(page, "operator@acme");
    await page.getByRole("region", { name: "Account" }).getByText("Oskar of acme").waitFor();
    await context.close();
  });

  test("a token is renewed silently, and live views go on", async () => {
    const { context, page, complaints } = await signIn("viewer@acme", "/processes");
    const tokens = new Set<string>();
    const streams: string[] = [];
    page.on("request", (request) => {
      const token = request.headers().authorization;
      if (token === undefined || !request.url().includes("/ingestor.v1.")) return;
      tokens.add(token);
      if (request.url().endsWith("/WatchEvents")) streams.push(token);
    });
    await page.reload();
    await page.getByRole("heading", { level: 1, name: "Processes" }).waitFor();
    // The server ends the stream with its token; the page opens it again with the next one, and again.
    await expect.poll(() => new Set(streams).size, { timeout: 120_000 }).toBeGreaterThanOrEqual(3);
    expect(tokens.size).toBeGreaterThanOrEqual(3);
    expect(await page.getByRole("alert").count()).toBe(0);
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("a token that is refused is renewed, and the call made again", async () => {
    const { context, page, complaints } = await signIn("viewer@acme", "/access");
    const sent: string[] = [];
    // The gateway refuses the first token that it gets.
    await page.route("**/ingestor.v1.PipelineService/ListPipelines", async (route) => {
      const headers = route.request().headers();
      sent.push(headers.authorization ?? "");
      if (sent.length === 1) headers.authorization = "Bearer e30.e30.x";
      await route.continue({ headers });
    });
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Pipelines" }).click();
    await expect.poll(() => sent.length).toBeGreaterThanOrEqual(2);
    await expect.poll(() => page.getByRole("status", { name: /^Loading/ }).count()).toBe(0);
    expect(sent[1]).not.toBe(sent[0]);
    expect(await page.getByRole("alert").count()).toBe(0);
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("an author tries a pipeline on a file and saves it, without loading the file", async () => {
    const { context, page, complaints } = await signIn("author@acme", "/upload");
    await choose(page, writePeople(folder, "of-an-author.csv"));
    await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
    await page.getByRole("radio", { name: /New pipeline/ }).check();
    await page.getByText("To load this file, you need the role uploader.").waitFor();
    expect(await page.getByRole("button", { name: "Start" }).count()).toBe(0);
    await page.getByLabel("Pipeline name").fill("of-an-author");
    await page.getByRole("textbox", { name: "Table" }).fill("of_an_author");
    await page.getByText(/would load/).waitFor();
    await page.getByRole("button", { name: "Save pipeline" }).click();
    await page.waitForURL(/\/pipelines\/of-an-author/);
    await page.getByRole("button", { name: "Delete" }).waitFor();

    // A viewer reads it, and changes nothing.
    const viewer = await signIn("viewer@acme", "/pipelines/of-an-author");
    await viewer.page.getByText("To change this pipeline, you need the role author.").waitFor();
    expect(await viewer.page.getByRole("textbox", { name: "Title" }).isDisabled()).toBe(true);
    expect(await viewer.page.getByRole("button", { name: "Delete" }).count()).toBe(0);
    expect(await findings(viewer.page)).toEqual([]);
    expect(viewer.complaints).toEqual([]);
    await viewer.context.close();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("when the session has ended, the person signs in again in a window and loses nothing", async () => {
    const { context, page } = await signIn("author@acme", "/pipelines/_new");
    const name = page.getByRole("textbox", { name: "Name", exact: true });
    await name.fill("typed-before");
    // The provider gives no tokens any more: the refresh token counts as ended.
    await page.route("**/token", (route) =>
      route.fulfill({
        status: 400,
        headers: { "access-control-allow-origin": PAGE, "content-type": "application/json" },
        body: JSON.stringify({ error: "invalid_grant" }),
      }),
    );
    const dialog = page.getByRole("dialog", { name: "Sign in again" });
    await dialog.getByText(/What you have typed is kept/).waitFor({ timeout: 120_000 });
    expect(await findings(page)).toEqual([]);
    await page.unroute("**/token");
    const opened = context.waitForEvent("page");
    await dialog.getByRole("button", { name: "Sign in" }).click();
    const popup = await opened;
    await dialog.waitFor({ state: "hidden" });
    await expect.poll(() => popup.isClosed()).toBe(true);
    expect(await name.inputValue()).toBe("typed-before");
    await page.getByRole("textbox", { name: "Table" }).fill("typed_before");
    await page.getByText("Valid. Saving creates version 1.").waitFor();
    await context.close();
  });

  test("an upload goes on while its token is renewed", async () => {
    const { context, page } = await signIn("uploader@acme", "/upload");
    const tokens = new Set<string>();
    page.on("request", (request) => {
      const token = request.headers().authorization;
      if (token !== undefined && request.url().endsWith("/WriteChunk")) tokens.add(token);
    });
    // Each piece takes a while, so that tokens end in between.
    await page.route("**/WriteChunk", async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      await route.continue().catch(() => undefined);
    });
    await choose(page, writeLarge(folder, "renewed.csv", 12));
    await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
    await expect.poll(() => tokens.size, { timeout: 150_000 }).toBeGreaterThanOrEqual(2);
    await page.unroute("**/WriteChunk");
    await startAsRows(page);
    await context.close();
  });

  test("an admin creates a key that works, and revokes it", async () => {
    const { context, page, complaints } = await signIn("admin@acme", "/access?tab=keys");
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "New key" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("of a test");
    expect(await findings(page)).toEqual([]);
    await dialog.getByRole("button", { name: "Create key" }).click();
    await dialog.getByRole("button", { name: "Copy" }).click();
    await dialog.getByRole("button", { name: "Copied" }).waitFor();
    const key = await page.evaluate(() => navigator.clipboard.readText());
    expect(key).toMatch(/^ing_[^_]{8}_.+$/);
    await dialog.getByRole("button", { name: "I have stored it" }).click();
    expect(await listAs(key)).toBe("0");

    const line = page.getByRole("row").filter({ hasText: key.slice(0, 12) });
    await line.getByRole("button", { name: "Revoke of a test" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke key" }).click();
    await line.getByText(/^revoked/).waitFor();
    // Services may remember it for ten seconds.
    await expect.poll(() => listAs(key), { timeout: 30_000 }).toBe("16");

    await page.getByRole("tab", { name: "Audit log" }).click();
    const log = page.getByRole("table", { name: "Audit log" });
    await log
      .getByRole("row")
      .filter({ hasText: "Revoke key" })
      .filter({ hasText: "admin@acme" })
      .first()
      .waitFor();
    await page.getByLabel("Call").selectOption({ label: "Create key" });
    await page.waitForURL(/method=/);
    await expect.poll(() => log.getByRole("row").filter({ hasText: "Revoke key" }).count()).toBe(0);
    await page.evaluate(() => Reflect.deleteProperty(globalThis, "showSaveFilePicker"));
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download", exact: true }).click();
    const lines = readFileSync(await (await download).path(), "utf8")
      .trim()
      .split("\n");
    for (const text of lines) {
      expect((JSON.parse(text) as { method: string }).method).toBe("ingestor.v1.AccessService/CreateKey");
    }
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("an admin adds a member, changes its roles and removes it", async () => {
    const { context, page, complaints } = await signIn("admin@acme", "/access?tab=members");
    await page.getByRole("button", { name: "Add member" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Person").fill("viewer@globex");
    await dialog.getByRole("button", { name: "Add member" }).click();
    const line = page.getByRole("row").filter({ hasText: "viewer@globex" });
    await line.getByText("viewer", { exact: true }).waitFor();

    // The person is in two tenants now, and chooses.
    const other = await signIn("viewer@globex", "/access");
    await other.page.getByRole("button", { name: "acme" }).click();
    await other.page.getByText("viewer in acme.").waitFor();
    await other.page.getByRole("combobox", { name: "Tenant" }).selectOption("globex");
    await other.page.getByRole("link", { name: "Access" }).click();
    await other.page.getByText("viewer in globex.").waitFor();
    await other.context.close();

    await line.getByRole("button", { name: /^Change roles/ }).click();
    await dialog.getByLabel("operator").check();
    await dialog.getByRole("button", { name: "Save roles" }).click();
    await line.getByText("operator", { exact: true }).waitFor();
    await line.getByRole("button", { name: /^Remove/ }).click();
    await dialog.getByRole("button", { name: "Remove member" }).click();
    await line.waitFor({ state: "detached" });
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("an admin of the platform sets the quotas of a tenant, whose people see them", async () => {
    const { context, page, complaints } = await signIn("admin@default", "/access?tab=tenants");
    const line = page.getByRole("row").filter({ hasText: "globex" });
    await line.getByRole("button", { name: "Set quotas of globex" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Storage").fill("much");
    await dialog.getByText("Write a size, such as 10 GiB").waitFor();
    await dialog.getByLabel("Storage").fill("10 GiB");
    await dialog.getByLabel("Open uploads").fill("0");
    await dialog.getByRole("button", { name: "Save quotas" }).click();
    await line.getByText("Storage 10.0 GiB, Open uploads 0").waitFor();

    const other = await signIn("operator@globex", "/access?tab=quotas");
    await other.page.getByText(/of 10\.0 GiB used/).waitFor();
    await other.context.close();
    const sender = await signIn("uploader@globex", "/upload");
    await choose(sender.page, writePeople(folder, "over-the-quota.csv"));
    await sender.page.getByText("Your tenant has used up a quota.").waitFor();
    await sender.page.getByText("Open uploads: 0 of 0 used.").waitFor();
    await sender.context.close();

    await line.getByRole("button", { name: "Set quotas of globex" }).click();
    await dialog.getByLabel("Storage").fill("");
    await dialog.getByLabel("Open uploads").fill("");
    await dialog.getByRole("button", { name: "Save quotas" }).click();
    await line.getByText("Storage 10.0 GiB").waitFor({ state: "hidden" });
    expect(complaints).toEqual([]);
    await context.close();
  });

  const TABS = ["keys", "members", "audit", "quotas", "tenants", "roles"] as const;
  test.each(TABS)("%s: axe finds nothing serious, on a wide and on a narrow screen", async (tab) => {
    const { context, page } = await signIn("admin@default", `/access?tab=${tab}`);
    const label = { keys: "API keys", audit: "Audit log" }[tab as string] ?? tab;
    await page.getByRole("tab", { name: label, selected: true }).waitFor();
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      await page.getByRole("tabpanel").waitFor();
      await expect.poll(() => page.getByRole("status", { name: /^Loading/ }).count()).toBe(0);
      expect(await findings(page)).toEqual([]);
      expect(
        await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        ),
      ).toBeLessThanOrEqual(0);
    }
    await context.close();
  });
});

/** The grpc-status of a call with a key, as a program makes it. */
async function listAs(key: string): Promise<string> {
  const response = await fetch(`${PAGE}/ingestor.v1.PipelineService/ListPipelines`, {
    method: "POST",
    headers: { "content-type": "application/grpc-web+proto", authorization: `Bearer ${key}` },
    body: new Uint8Array(5),
  });
  const status = response.headers.get("grpc-status");
  if (status !== null) return status;
  return /grpc-status:\s*(\d+)/.exec(Buffer.from(await response.arrayBuffer()).toString("latin1"))?.[1] ?? "";
}
