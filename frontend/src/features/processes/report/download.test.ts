import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { DownloadReportResponseSchema } from "@/api/contract";
import type { FileSink } from "@/lib/save-file";
import { receive, reportName } from "./download";

function memory() {
  const written: number[] = [];
  const ends: string[] = [];
  const sink: FileSink = {
    write: async (data) => {
      written.push(...data);
    },
    close: async () => {
      ends.push("closed");
    },
    abort: async () => {
      ends.push("aborted");
    },
  };
  return { sink, written, ends };
}

async function* pieces(...messages: { data?: number[]; rows?: bigint }[]) {
  for (const { data = [], rows } of messages) {
    yield create(DownloadReportResponseSchema, { data: new Uint8Array(data), rowCount: rows });
  }
}

describe("receive", () => {
  it("writes the chunks in order and returns the row count", async () => {
    const { sink, written, ends } = memory();
    const done = await receive(pieces({ data: [1, 2] }, { data: [3] }, { rows: 7n }), sink, () => undefined);
    expect(written).toEqual([1, 2, 3]);
    expect(done).toEqual({ bytes: 3, rows: 7 });
    expect(ends).toEqual(["closed"]);
  });

  it("leaves no partial file that looks complete", async () => {
    const { sink, ends } = memory();
    await expect(receive(pieces({ data: [1] }), sink, () => undefined)).rejects.toThrow("too early");
    expect(ends).toEqual(["aborted"]);
  });
});

it("names the report after the file", () => {
  expect(reportName("customers.csv", "rejected", ".xlsx")).toBe("customers-rejected.xlsx");
  expect(reportName("a.b.csv.gz", "all", ".csv")).toBe("a.b-all.csv");
  expect(reportName(".csv", "all", ".csv")).toBe("report-all.csv");
});
