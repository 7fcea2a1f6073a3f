import { create } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { AuditRecordSchema, ListAuditRecordsResponseSchema, Role } from "@/api/contract";
import type { FileSink } from "@/lib/save-file";
import { asLines, receiveAudit } from "./download";
import { auditFilter } from "./filter";

describe("auditFilter", () => {
  it("leaves out what is not asked for", () => {
    expect(auditFilter({ tab: "audit" })).toEqual({});
  });

  it("includes both days, in the time zone of the browser", () => {
    const { startTime, endTime, subject } = auditFilter({
      subject: "ada",
      from: "2026-03-28",
      until: "2026-03-29",
    });
    expect(subject).toBe("ada");
    expect(startTime && timestampDate(startTime)).toEqual(new Date(2026, 2, 28));
    expect(endTime && timestampDate(endTime)).toEqual(new Date(2026, 2, 30));
  });
});

function record(sequence: bigint) {
  return create(AuditRecordSchema, {
    sequence,
    time: timestampFromDate(new Date("2026-01-31T12:00:00Z")),
    subject: "ada",
    roles: [Role.ADMIN],
    method: "ingestor.v1.StatusService/DeleteProcess",
    outcome: "OK",
  });
}

it("writes a record as a line of JSON", () => {
  const [line, rest] = asLines([record(7n)]).split("\n");
  // As `ingestor audit --json` writes it.
  expect(JSON.parse(line ?? "")).toEqual({
    sequence: 7,
    time: "2026-01-31T12:00:00Z",
    subject: "ada",
    roles: ["ADMIN"],
    method: "ingestor.v1.StatusService/DeleteProcess",
    object: "",
    outcome: "OK",
    reason: "",
    address: "",
    trace_id: "",
  });
  expect(rest).toBe("");
});

describe("receiveAudit", () => {
  function memory() {
    const written: string[] = [];
    const ends: string[] = [];
    const sink: FileSink = {
      write: async (data) => void written.push(new TextDecoder().decode(data)),
      close: async () => void ends.push("closed"),
      abort: async () => void ends.push("aborted"),
    };
    return { sink, written, ends };
  }

  it("writes every page", async () => {
    const { sink, written, ends } = memory();
    const pages: Record<string, { records: bigint[]; next: string }> = {
      "": { records: [3n, 2n], next: "p2" },
      p2: { records: [1n], next: "" },
    };
    const progress: number[] = [];
    const count = await receiveAudit(
      async (token) =>
        create(ListAuditRecordsResponseSchema, {
          records: pages[token]?.records.map(record) ?? [],
          nextPageToken: pages[token]?.next ?? "",
        }),
      sink,
      (records) => progress.push(records),
    );
    expect(count).toBe(3);
    expect(progress).toEqual([2, 3]);
    const lines = written.join("").trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { sequence: number }).sequence)).toEqual([3, 2, 1]);
    expect(ends).toEqual(["closed"]);
  });

  it("leaves no half file behind", async () => {
    const { sink, ends } = memory();
    await expect(
      receiveAudit(
        async () => {
          throw new Error("gone");
        },
        sink,
        () => undefined,
      ),
    ).rejects.toThrow("gone");
    expect(ends).toEqual(["aborted"]);
  });
});
