/** Tables to upload. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Folder {
  readonly path: string;
  /** Writes a file; returns its path. */
  write(name: string, content: string | Buffer): string;
  remove(): void;
}

export function makeFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), "ingestor-page-"));
  return {
    path,
    write: (name, content) => {
      const file = join(path, name);
      writeFileSync(file, content);
      return file;
    },
    remove: () => rmSync(path, { recursive: true }),
  };
}

/** 200 rows of people; rows 20 and 70 have an age that is not a number. */
export function writePeople(
  folder: Folder,
  name: string,
  options: { good?: boolean; header?: string } = {},
): string {
  const lines = [options.header ?? "id,full name,age,joined"];
  for (let row = 1; row <= 200; row += 1) {
    const age = !options.good && (row === 20 || row === 70) ? "unknown" : String(20 + (row % 50));
    lines.push(`${row},Person ${row},${age},2024-01-${String(1 + (row % 28)).padStart(2, "0")}`);
  }
  const path = join(folder.path, name);
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

/** A table of about this many MiB, written piece by piece. */
export function writeLarge(folder: Folder, name: string, mebibytes: number): string {
  const path = join(folder.path, name);
  const file = openSync(path, "w");
  writeSync(file, "id,customer,amount,note\n");
  let row = 1;
  for (let written = 0; written < mebibytes * 1024 * 1024; ) {
    let block = "";
    for (let line = 0; line < 20_000; line += 1, row += 1) {
      block += `${row},customer ${row % 9973},${(row % 100_000) / 100},"a note, with a comma, on row ${row}"\n`;
    }
    written += writeSync(file, block);
  }
  closeSync(file);
  return path;
}
