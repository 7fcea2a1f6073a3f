/** The step before Start: which pipeline, which columns, which key, and what of it is remembered. */
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { choose, openBrowser, openPage, PAGE } from "./chromium";
import { type Folder, makeFolder } from "./files";
import { applyPipeline, documentOf, ended } from "./suite";

let browser: Browser;
let folder: Folder;

beforeAll(async () => {
  browser = await openBrowser();
  folder = makeFolder();
});

afterAll(() => folder.remove());

async function drop(page: Page, path: string): Promise<void> {
  await page.goto(`${PAGE}/upload`);
  await choose(page, path);
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
}

const bar = (page: Page) => page.getByRole("status").filter({ hasText: /Loads valid rows/ });

/** Starts the file; returns its ended process. */
async function start(page: Page, name: string | RegExp = "Start") {
  await page.getByRole("button", { name, exact: true }).click();
  await page.waitForURL(/\/processes\/[0-9a-f-]{36}/);
  return ended(new URL(page.url()).pathname.replace("/processes/", ""));
}

test("a pipeline that leaves columns out is proposed, and chosen by itself once it has loaded such a file", async () => {
  await applyPipeline("lagerorte", [
    { name: "regalfach", type: "integer" },
    { name: "hallenname", type: "string" },
  ]);
  const { context, page, complaints } = await openPage(browser);
  const rows = "regalfach,hallenname,torfarbe,deckenmass\n1,Nord,rot,3\n2,Süd,blau,4\n";
  await drop(page, folder.write("lager-1.csv", rows));
  await page.getByText("lagerorte fits this file and loads into the table lagerorte.").waitFor();
  await page.getByText("Will not load: torfarbe, deckenmass").waitFor();
  await page.getByRole("radio", { name: /New pipeline/, checked: true }).waitFor();

  await page.getByRole("button", { name: "Use lagerorte" }).click();
  await page.getByText("Table lagerorte: does not exist yet; starting makes it.").waitFor();
  await bar(page).filter({ hasText: "Will not load: torfarbe, deckenmass." }).waitFor();
  expect((await start(page)).counts?.succeeded).toBe(2n);

  await drop(page, folder.write("lager-2.csv", rows.replace("1,Nord", "3,West")));
  await page.getByText("Table lagerorte: has 2 rows now.").waitFor();
  await page.getByRole("radio", { name: /Existing pipeline/, checked: true }).waitFor();
  await bar(page).filter({ hasText: "Will not load: torfarbe, deckenmass." }).waitFor();

  // Other columns are another file.
  await drop(page, folder.write("lager-3.csv", rows.replaceAll(",deckenmass", ",bodenmass")));
  await page.getByRole("button", { name: "Use lagerorte" }).waitFor();
  await page.getByRole("radio", { name: /New pipeline/, checked: true }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("one pipeline loads a table however it is written, with other labels and without an optional column", async () => {
  const { context, page, complaints } = await openPage(browser);
  const table = "Straße;Größe;Bemerkung\nAckerweg;1;äußerst\nHofgasse;2;übrig\n";
  await drop(page, folder.write("strassen.csv", Buffer.from(table, "latin1")));
  expect(await page.getByLabel("Field of Straße").inputValue()).toBe("strasse");
  expect(await page.getByLabel("Field of Größe").inputValue()).toBe("groesse");
  await page.getByRole("button", { name: "Use strasse as key" }).click();
  await page.getByText("No duplicate in all 2 rows.").waitFor();
  await page.getByRole("combobox", { name: "When a row already exists" }).selectOption("upsert");
  expect((await start(page)).counts?.succeeded).toBe(2n);
  expect((await documentOf("strassen")).dialect).toBeUndefined();

  // The same columns, packed and in another encoding: nothing to choose.
  await drop(page, folder.write("anders.csv.gz", gzipSync(table.replaceAll(";", "\t"))));
  await page.getByText("Table strassen: has 2 rows now.").waitFor();
  expect((await start(page)).counts?.succeeded).toBe(2n);

  // Another label, and one column less.
  await drop(page, folder.write("labels.csv", "Adresszeile,Größe\nAckerweg,3\nTalweg,4\n"));
  await page.getByRole("radio", { name: /Existing pipeline/ }).check();
  await page.getByRole("combobox", { name: "Pipeline" }).selectOption("strassen");
  await page.getByText("Choose a column for strasse.").waitFor();
  await page.getByLabel("Column for strasse").selectOption("Adresszeile");
  await page.getByText("Adresszeile becomes a further label of this field").waitFor();
  await bar(page).filter({ hasText: "No column for: bemerkung." }).waitFor();
  expect((await start(page)).counts?.succeeded).toBe(2n);
  const learned = await documentOf("strassen");
  expect(learned.mapping).toMatchObject({ strasse: "Straße" });
  expect(learned.schema.fields[0]).toMatchObject({ name: "strasse", labels: ["Adresszeile"] });

  // Nothing is to be chosen for files with either label, and a label can be taken away again.
  await drop(page, folder.write("labels-2.csv", "Adresszeile,Größe\nBergweg,5\n"));
  await page.getByText("Table strassen: has 3 rows now.").waitFor();
  await page.getByRole("button", { name: "Forget the label Adresszeile of strasse" }).click();
  await page.getByText("Choose a column for strasse.").waitFor();
  await drop(page, folder.write("strassen-2.csv", table));
  await page.getByText("Table strassen: has 3 rows now.").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("keys, lists of values and words are offered, and duplicates are counted before the start", async () => {
  const { context, page, complaints } = await openPage(browser);
  const lines = ["belegnr,filiale,status"];
  for (let row = 1; row <= 1200; row += 1) lines.push(`${row},F${row % 3},${row % 2 ? "offen" : "zu"}`);
  lines.push("7,F1,offen");
  await drop(page, folder.write("belege.csv", `${lines.join("\n")}\n`));
  await page.getByText(/Without a gap or a duplicate in the first 1,000 rows/).waitFor();
  await page.getByRole("button", { name: "Use belegnr as key" }).click();
  await page
    .getByText("1 row of all 1,201 rows repeats the key of an earlier one (row 1,201): it will be rejected.")
    .waitFor();
  await bar(page).filter({ hasText: "1 row with a key that is there twice will be rejected." }).waitFor();
  await page.getByRole("button", { name: "Allow only these for status" }).click();
  await page.getByRole("button", { name: "Allow any status" }).waitFor();
  const counts = (await start(page)).counts;
  expect([counts?.succeeded, counts?.failed]).toEqual([1200n, 1n]);
  expect((await documentOf("belege")).schema.fields[2]?.constraints).toEqual({ enum: ["offen", "zu"] });

  await drop(
    page,
    folder.write("belege-2.csv", "belegnr,filiale,status\n2001,F1,Offen\n2002,F1,geschlossen\n"),
  );
  expect(await page.getByLabel("Offen in status becomes").inputValue()).toBe("offen");
  await page.getByLabel("geschlossen in status becomes").selectOption("zu");
  await page.getByRole("button", { name: "Match these 2 values of status" }).click();
  await page.getByText(/all 2 rows: 2 would load/).waitFor();
  expect((await start(page)).counts?.succeeded).toBe(2n);
  // Behind the steps that trim each column.
  expect([(await documentOf("belege")).transforms ?? []].flat().at(-1)).toEqual({
    column: "status",
    op: "map",
    values: { Offen: "offen", geschlossen: "zu" },
  });
  expect(complaints).toEqual([]);
  await context.close();
});

test("what was set by hand survives a reload, another screen and a closed tab", async () => {
  const { context, page, complaints } = await openPage(browser);
  await drop(page, folder.write("gemerkt.csv", "kennung,wert\n1,x\n2,y\n"));
  const mapping = new URL(page.url()).pathname;
  await page.getByRole("textbox", { name: "Table" }).fill("gemerkte_werte");
  await page.getByLabel("Field of wert").fill("inhalt");
  await page.getByLabel("kennung is required").check();
  await bar(page).filter({ hasText: "Loads valid rows into gemerkte_werte" }).waitFor();

  const shown = async (on: Page) => {
    await bar(on).filter({ hasText: "Loads valid rows into gemerkte_werte" }).waitFor();
    expect(await on.getByLabel("Field of wert").inputValue()).toBe("inhalt");
    expect(await on.getByLabel("kennung is required").isChecked()).toBe(true);
  };
  await page.reload();
  await shown(page);
  await page.getByRole("link", { name: "Processes" }).click();
  await page.getByRole("heading", { name: "Processes" }).waitFor();
  const other = await context.newPage();
  await page.close();
  await other.goto(PAGE + mapping);
  await shown(other);

  // The choice of the destination, too.
  await other.getByRole("radio", { name: /JSON rows/ }).check();
  await other.waitForURL(/to=json/);
  await other.goto(PAGE + mapping);
  await other.waitForURL(/to=json/);
  expect(await other.getByRole("radio", { name: /JSON rows/ }).isChecked()).toBe(true);
  expect(complaints).toEqual([]);
  await context.close();
});

test("several files with the same columns are mapped once and started together, or discarded together", async () => {
  const { context, page, complaints } = await openPage(browser, "/upload");
  const paths = [1, 2, 3].map((number) =>
    folder.write(`monat-${number}.csv`, `buchungsnr,betragswert\n${number}0,1\n${number}1,2\n`),
  );
  await choose(page, [...paths, folder.write("fremd.csv", "ganz,anders\n1,2\n")]);
  await page.getByRole("link", { name: "Map these 3 files once" }).click();
  await page.getByRole("textbox", { name: "Table" }).fill("monate");
  await page.getByRole("button", { name: "Start all 3 files" }).click();
  await page.waitForURL(/\/upload$/);
  await expect.poll(() => page.getByRole("link", { name: "Open process" }).count()).toBe(3);
  const links = await page.getByRole("link", { name: "Open process" }).all();
  for (const link of links) {
    const id = (await link.getAttribute("href"))?.replace("/processes/", "") ?? "";
    expect((await ended(id)).counts?.succeeded).toBe(2n);
  }

  await choose(page, [folder.write("weg.csv", "a,b\n1,2\n")].concat(paths.slice(0, 1)));
  await page.getByRole("button", { name: "Discard all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Discard all" }).click();
  await expect.poll(() => page.getByText("Cancelled").count()).toBe(3);
  expect(complaints).toEqual([]);
  await context.close();
});

test("files are dropped, and rows are pasted, on any screen", async () => {
  const { context, page, complaints } = await openPage(browser, "/pipelines");
  await page.getByRole("heading", { name: "Pipelines" }).waitFor();
  await page.waitForFunction(() => performance.getEntriesByName("ingestor-takes-files").length > 0);
  const send = (kind: "drop" | "paste", text: string) =>
    page.evaluate(
      ([kind, text]) => {
        const data = new DataTransfer();
        if (kind === "drop") data.items.add(new File([text ?? ""], "fallen.csv"));
        else data.setData("text/plain", text ?? "");
        const options = { bubbles: true, cancelable: true };
        document.body.dispatchEvent(
          kind === "drop"
            ? new DragEvent("drop", { ...options, dataTransfer: data })
            : new ClipboardEvent("paste", { ...options, clipboardData: data }),
        );
      },
      [kind, text],
    );
  await send("drop", "fallende,werte\n1,2\n");
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await page.getByRole("heading", { name: "fallen.csv" }).waitFor();

  await page.getByRole("link", { name: "Processes" }).click();
  await page.getByRole("heading", { name: "Processes" }).waitFor();
  await send("paste", "geklebte\tzeilen\n1\tä\n2\tö\n");
  await page.waitForURL(/\/upload\/[0-9a-f-]{36}/);
  await page.getByRole("heading", { name: /^pasted-.*\.tsv$/ }).waitFor();
  await page.getByText(/all 2 rows: 2 would load/).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});
