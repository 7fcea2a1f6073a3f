import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { BatchSchema, BatchState, ProcessSchema } from "@/api/contract";
import { currentRate, expectedRows, joined, rateSeries, samplesOf, timeLeft } from "./progress";

function batch(time: number, rows: number) {
  return create(BatchSchema, {
    state: BatchState.PROCESSED,
    range: { rowCount: BigInt(rows) },
    processTime: timestampFromMs(time),
  });
}

describe("samplesOf", () => {
  it("adds up outcomes in time order", () => {
    const queued = create(BatchSchema, { state: BatchState.QUEUED, range: { rowCount: 9n } });
    expect(samplesOf([batch(3000, 10), batch(2000, 5), queued], 1000)).toEqual([
      { time: 1000, done: 0 },
      { time: 2000, done: 5 },
      { time: 3000, done: 15 },
    ]);
  });
});

it("live samples continue where recorded ones end", () => {
  const recorded = [{ time: 10, done: 5 }];
  const live = [
    { time: 9, done: 4 },
    { time: 12, done: 5 },
    { time: 14, done: 9 },
  ];
  expect(joined(recorded, live).map(({ done }) => done)).toEqual([5, 5, 9]);
});

describe("rateSeries", () => {
  it("has buckets that add up to all rows", () => {
    const samples = [
      { time: 0, done: 0 },
      { time: 1000, done: 100 },
      { time: 4000, done: 1000 },
    ];
    const { times, rates } = rateSeries(samples, 4000, 4);
    expect(times).toEqual([0.5, 1.5, 2.5, 3.5]);
    expect(rates).toEqual([100, 300, 300, 300]);
  });

  it("never has more buckets than requested", () => {
    const samples = [
      { time: 0, done: 0 },
      { time: 100_000_000, done: 1 },
    ];
    expect(rateSeries(samples, 100_000_000, 60).times.length).toBeLessThanOrEqual(61);
  });
});

describe("time left", () => {
  const process = create(ProcessSchema, {
    counts: { read: 100n, succeeded: 40n, failed: 10n },
    bytesDispatched: 500n,
    contentBytes: 1000n,
  });

  it("estimates the rows of the file from its bytes", () => {
    expect(expectedRows(process)).toBe(200);
    expect(timeLeft(process, 50)).toBe(3000);
  });

  it("is unknown without a rate", () => {
    expect(timeLeft(process, null)).toBeNull();
    expect(timeLeft(process, 0)).toBeNull();
  });

  it("uses the rate of the last seconds", () => {
    const samples = [
      { time: 0, done: 0 },
      { time: 10_000, done: 0 },
      { time: 20_000, done: 1000 },
    ];
    expect(currentRate(samples, 20_000, 10_000)).toBe(100);
    expect(currentRate(samples, 100)).toBeNull();
  });
});
