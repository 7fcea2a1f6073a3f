import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { ListLoadedRowsResponseSchema, type Row, RowSchema, RowState } from "@/api/contract";
import { fillFrom, type ReadLoaded } from "./cells";

const COLUMNS = ["Full name", "age"];
const never = new AbortController().signal;

function row(number: number, state = RowState.SUCCEEDED): Row {
  return create(RowSchema, {
    rowNumber: BigInt(number),
    state,
    cells: state === RowState.FAILED ? ["x"] : [],
  });
}

/** A table with rows of these numbers, of which an answer has at most two. */
function table(...numbers: number[]) {
  const asked: [number, number][] = [];
  const read: ReadLoaded = async ({ first, last }) => {
    asked.push([first, last]);
    const found = numbers.filter((number) => number >= first && number <= last);
    return create(ListLoadedRowsResponseSchema, {
      columns: [{ name: "made" }, { name: "full_name", label: "Full name" }, { name: "age", label: "age" }],
      rows: found.slice(0, 2).map((number) => ({
        rowNumber: BigInt(number),
        cells: [{ text: "-" }, { text: `name ${number}` }, {}],
      })),
      more: found.length > 2,
    });
  };
  return { read, asked };
}

it("puts the values under the labels of the file, and asks on until it has all", async () => {
  const { read, asked } = table(1, 3, 4, 5);
  const fill = fillFrom(read, COLUMNS, () => undefined);
  const filled = await fill([row(1), row(2, RowState.FAILED), row(3), row(4), row(5)], never);
  expect(filled.map(({ cells }) => cells)).toEqual([
    ["name 1", ""],
    ["x"],
    ["name 3", ""],
    ["name 4", ""],
    ["name 5", ""],
  ]);
  expect(asked).toEqual([
    [1, 5],
    [4, 5],
  ]);
});

it("marks loaded rows that the table does not have", async () => {
  const { read } = table(1);
  const filled = await fillFrom(read, COLUMNS, () => undefined)([row(1), row(2)], never);
  expect(filled.map(({ gone }) => gone ?? false)).toEqual([false, true]);
});

it("asks nothing for rows that were not loaded", async () => {
  const { read, asked } = table();
  await fillFrom(read, COLUMNS, () => undefined)([row(1, RowState.QUEUED), row(2, RowState.FAILED)], never);
  expect(asked).toEqual([]);
});

it("says once why the rows cannot be read, and then asks no more", async () => {
  const said: string[] = [];
  let asked = 0;
  const read: ReadLoaded = async () => {
    asked += 1;
    return create(ListLoadedRowsResponseSchema, { unreadable: "The sink s does not show its rows." });
  };
  const fill = fillFrom(read, COLUMNS, (why) => said.push(why));
  const rows = [row(1)];
  expect(await fill(rows, never)).toBe(rows);
  expect(await fill(rows, never)).toBe(rows);
  expect(said).toEqual(["The sink s does not show its rows."]);
  expect(asked).toBe(1);
});
