import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { type Batch, BatchSchema } from "@/api/contract";
import { rowOfLine } from "./lines";

function batch(firstRow: number, rowCount: number, firstLine: number): Batch {
  return create(BatchSchema, {
    range: { firstRow: BigInt(firstRow), rowCount: BigInt(rowCount), firstLine: BigInt(firstLine) },
  });
}

const BATCHES = [batch(1, 100, 2), batch(101, 100, 102), batch(201, 100, 302)];
const never = () => Promise.reject(new Error("unexpected request"));

it("counts from the start of a batch whose records have one line each", async () => {
  expect(await rowOfLine(2, BATCHES, never)).toEqual({ rowNumber: 1, exact: true });
  expect(await rowOfLine(57, BATCHES, never)).toEqual({ rowNumber: 56, exact: true });
});

it("uses rejected rows as marks where records have several lines", async () => {
  const marks = async () => [
    { row: 110, line: 111 },
    { row: 120, line: 121 },
    { row: 150, line: 202 },
  ];
  expect(await rowOfLine(115, BATCHES, marks)).toEqual({ rowNumber: 114, exact: true });
  expect(await rowOfLine(202, BATCHES, marks)).toEqual({ rowNumber: 150, exact: true });
  expect(await rowOfLine(150, BATCHES, marks)).toEqual({ rowNumber: 149, exact: false });
});

it("never leaves the batch or passes the next mark", async () => {
  expect(await rowOfLine(301, BATCHES, async () => [])).toEqual({ rowNumber: 200, exact: false });
  expect(await rowOfLine(9_999, BATCHES, async () => [])).toEqual({ rowNumber: 300, exact: false });
});

it("finds no row before the first", async () => {
  expect(await rowOfLine(1, BATCHES, never)).toBeNull();
  expect(await rowOfLine(1, [], never)).toBeNull();
});
