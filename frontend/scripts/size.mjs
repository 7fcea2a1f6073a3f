// Prints the gzip size of each screen's first load, and of it with each part that comes later, and fails over a
// limit.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 250 * 1024;
// With what is loaded when the server has answered, or a person has asked for it.
const LIMIT_LATER = 260 * 1024;
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
const screens = new Set(manifest[entry].dynamicImports ?? []);
let over = shellSize > LIMIT;
for (const key of Object.keys(manifest).filter(
  (name) => name.startsWith("src/features/") && manifest[name].isDynamicEntry,
)) {
  const total = size(closure(key, new Set(shell)));
  const isScreen = screens.has(key);
  over ||= total > (isScreen ? LIMIT : LIMIT_LATER);
  console.log(`${kib(total)}  ${isScreen ? "first load of" : "with"} ${key.replace(/^src\/features\//, "")}`);
}
const styles = new Set(Object.values(manifest).flatMap((chunk) => chunk.css ?? []));
console.log(`${kib([...styles].reduce((sum, file) => sum + gzipped(file), 0))}  all style sheets`);
console.log(`${kib(LIMIT)}  limit of JavaScript on a first load (gzip)`);
console.log(`${kib(LIMIT_LATER)}  limit with a part that comes later`);
if (over) {
  console.error("over a limit");
  process.exit(1);
}
