import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { type Row, RowSchema } from "@/api/contract";
import { type FetchRows, type FillRows, FilteredRows, NumberedRows, patient } from "./source";

function row(number: number): Row {
  return create(RowSchema, { rowNumber: BigInt(number) });
}

/** A server with rows 1 to `count` that records its requests. */
function server(count: number) {
  const asked: string[] = [];
  const fetchRows: FetchRows = async ({ filter, pageSize, pageToken }, signal) => {
    asked.push(filter);
    await Promise.resolve();
    signal.throwIfAborted();
    const from = Math.max(Number(/row>=(\d+)/.exec(filter)?.[1] ?? 1), Number(pageToken || 1));
    const upto = Math.min(count, from + pageSize - 1);
    const rows = [];
    for (let number = from; number <= upto; number += 1) rows.push(row(number));
    return { rows, nextPageToken: upto < count ? String(upto + 1) : "" };
  };
  return { fetchRows, asked };
}

describe("NumberedRows", () => {
  it("fetches any page directly, and no page twice", async () => {
    const { fetchRows, asked } = server(1_000_000);
    const rows = new NumberedRows(fetchRows);
    rows.update(1_000_000, "a");
    rows.want(499_990, 500_010);
    await vi.waitFor(() => expect(rows.at(500_010)?.rowNumber).toBe(500_011n));
    expect(rows.at(499_990)?.rowNumber).toBe(499_991n);
    expect(asked).toHaveLength(2);
    rows.want(499_995, 500_005);
    await Promise.resolve();
    expect(asked).toHaveLength(2);
  });

  it("refetches visible rows when the counts change, and shows the old rows until then", async () => {
    const { fetchRows, asked } = server(50);
    const rows = new NumberedRows(fetchRows);
    rows.update(40, "a");
    rows.want(0, 39);
    await vi.waitFor(() => expect(rows.at(39)).toBeDefined());
    rows.update(50, "b");
    expect(rows.at(39)).toBeDefined();
    await vi.waitFor(() => expect(rows.at(49)).toBeDefined());
    expect(asked).toHaveLength(2);
  });

  it("reports why a fetch failed, and retries on request", async () => {
    let broken = true;
    const { fetchRows } = server(10);
    const rows = new NumberedRows((request, signal) => {
      if (broken) throw new ConnectError("no", Code.NotFound);
      return fetchRows(request, signal);
    });
    rows.update(10, "a");
    rows.want(0, 9);
    await vi.waitFor(() => expect(rows.error).toBeInstanceOf(ConnectError));
    broken = false;
    rows.retry();
    await vi.waitFor(() => expect(rows.at(0)).toBeDefined());
    expect(rows.error).toBeNull();
  });
});

describe("rows that are filled in", () => {
  const fill: FillRows = async (rows) => rows.map((row) => ({ ...row, cells: [`cell ${row.rowNumber}`] }));

  it("are shown first as they are, then filled in, page by page", async () => {
    const { fetchRows } = server(300);
    const rows = new NumberedRows(fetchRows, fill);
    rows.update(300, "a");
    rows.want(90, 120);
    await vi.waitFor(() => expect(rows.at(120)?.cells).toEqual(["cell 121"]));
    expect(rows.at(90)?.cells).toEqual(["cell 91"]);
    // What was filled in stays while the page is fetched again.
    rows.update(300, "b");
    await vi.waitFor(() => expect(rows.at(120)?.cells).toEqual(["cell 121"]));
  });

  it("are filled in behind a filter, too", async () => {
    const { fetchRows } = server(1000);
    const rows = new FilteredRows(fetchRows, "status=SUCCEEDED", fill);
    rows.want(0, 20);
    await vi.waitFor(() => expect(rows.at(199)?.cells).toEqual(["cell 200"]));
    rows.want(180, 220);
    await vi.waitFor(() => expect(rows.at(399)?.cells).toEqual(["cell 400"]));
  });

  it("are shown without it when that fails", async () => {
    const { fetchRows } = server(10);
    const rows = new NumberedRows(fetchRows, () => Promise.reject(new Error("no")));
    rows.update(10, "a");
    rows.want(0, 9);
    await vi.waitFor(() => expect(rows.at(0)).toBeDefined());
    expect(rows.error).toBeNull();
  });
});

describe("FilteredRows", () => {
  it("is fetched page by page while scrolling", async () => {
    const { fetchRows, asked } = server(1000);
    const rows = new FilteredRows(fetchRows, "status=FAILED");
    rows.want(0, 20);
    await vi.waitFor(() => expect(rows.length).toBe(200));
    expect(rows.more).toBe(true);
    rows.want(180, 199);
    await vi.waitFor(() => expect(rows.length).toBe(400));
    expect(asked).toEqual(["status=FAILED", "status=FAILED"]);
  });

  it("finds the index of a row, or of the next one", async () => {
    const { fetchRows } = server(1000);
    const rows = new FilteredRows(fetchRows, "row>=300");
    rows.want(0, 20);
    await vi.waitFor(() => expect(rows.length).toBe(200));
    expect(rows.placeOf(305)).toBe(5);
    expect(rows.placeOf(1)).toBe(0);
    expect(rows.placeOf(999)).toBeUndefined();
  });

  it("ends after the last row", async () => {
    const { fetchRows } = server(3);
    const rows = new FilteredRows(fetchRows, "status=SKIPPED");
    rows.want(0, 20);
    await vi.waitFor(() => expect(rows.more).toBe(false));
    expect(rows.length).toBe(3);
  });
});

it("a patient fetch waits for an unreachable service, and for nothing else", async () => {
  const answers = [new ConnectError("away", Code.Unavailable), new ConnectError("no", Code.NotFound)];
  const waits: number[] = [];
  const fetchRows = patient(
    () => Promise.reject(answers.shift()),
    async (attempt) => {
      waits.push(attempt);
    },
  );
  const asked = fetchRows({ filter: "", pageSize: 1, pageToken: "" }, new AbortController().signal);
  await expect(asked).rejects.toThrow("no");
  expect(waits).toEqual([0]);
});
