// Screenshots of some addresses, for use during development: node scripts/look.mjs OUT_DIR PATH...
import { mkdirSync } from "node:fs";
import { GATEWAY, launch } from "./browser.mjs";

const [out, ...paths] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const browser = await launch();
for (const [name, width, height, scheme] of [
  ["light", 1280, 800, "light"],
  ["dark", 1280, 800, "dark"],
  ["phone", 390, 844, "light"],
]) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) console.log(name, message.type(), message.text());
  });
  page.on("pageerror", (error) => console.log(name, "pageerror", error.message));
  for (const path of paths) {
    await page.goto(GATEWAY + path, { waitUntil: "load" });
    await page.locator("main h1").first().waitFor();
    await page.waitForTimeout(1200);
    await page.screenshot({ path: `${out}/${name}${path.replaceAll(/[/?=&]+/g, "_")}.png` });
  }
  await page.close();
}
await browser.close();
