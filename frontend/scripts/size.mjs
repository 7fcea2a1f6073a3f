// Prints the gzip size of each screen's first load, and fails over the limit.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 250 * 1024;
const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));

/** The files of a chunk and of all its static imports. */
function closure(key, seen = new Set()) {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const imported of manifest[key].imports ?? []) closure(imported, seen);
  return seen;
}

function gzipped(file) {
  return gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;
}

function size(keys) {
  const scripts = new Set([...keys].map((key) => manifest[key].file));
  return [...scripts].reduce((sum, file) => sum + gzipped(file), 0);
}

const kib = (bytes) => `${(bytes / 1024).toFixed(1).padStart(7)} KiB`;
const entry = Object.keys(manifest).find((key) => manifest[key].isEntry);
const shell = closure(entry);
const shellSize = size(shell);
console.log(`${kib(shellSize)}  shell`);
let worst = shellSize;
for (const key of Object.keys(manifest).filter(
  (name) => name.startsWith("src/features/") && manifest[name].isDynamicEntry,
)) {
  const total = size(closure(key, new Set(shell)));
  worst = Math.max(worst, total);
  console.log(`${kib(total)}  first load of ${key.replace(/^src\/features\//, "")}`);
}
const styles = new Set(Object.values(manifest).flatMap((chunk) => chunk.css ?? []));
console.log(`${kib([...styles].reduce((sum, file) => sum + gzipped(file), 0))}  all style sheets`);
console.log(`${kib(LIMIT)}  limit of JavaScript on a first load (gzip)`);
if (worst > LIMIT) {
  console.error("over the limit");
  process.exit(1);
}
