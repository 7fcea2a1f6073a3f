import { expect, it } from "vitest";
import { fingerprintOf } from "./fingerprint";

const MIB = 1024 * 1024;

function file(content: Uint8Array<ArrayBuffer>, name = "a.csv", lastModified = 1) {
  return new File([content], name, { lastModified });
}

it("is the same for the same file and differs in each part", async () => {
  const content = new Uint8Array(3 * MIB).fill(7);
  const base = await fingerprintOf(file(content));
  expect(await fingerprintOf(file(content.slice()))).toBe(base);
  expect(await fingerprintOf(file(content, "b.csv"))).not.toBe(base);
  expect(await fingerprintOf(file(content, "a.csv", 2))).not.toBe(base);
  expect(await fingerprintOf(file(content.slice(1)))).not.toBe(base);
  for (const place of [0, MIB - 1, 2 * MIB, 3 * MIB - 1]) {
    const changed = content.slice();
    changed[place] = 8;
    expect(await fingerprintOf(file(changed)), `byte ${place}`).not.toBe(base);
  }
});

it("reads no more than two MiB, however large the file is", async () => {
  let read = 0;
  await fingerprintOf({
    name: "huge.csv",
    size: 5 * 1024 ** 3,
    lastModified: 1,
    slice: (start, end) => {
      read += end - start;
      return { arrayBuffer: async () => new ArrayBuffer(end - start) };
    },
  });
  expect(read).toBe(2 * MIB);
});
