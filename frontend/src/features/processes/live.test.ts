import { create } from "@bufbuild/protobuf";
import { afterEach, expect, it, vi } from "vitest";
import { ListProcessesResponseSchema, ProcessEventSchema, ProcessSchema } from "@/api/contract";
import { changesOf, gather, patched } from "./live";

vi.mock("@/api/clients", () => ({ statusClient: {} }));

afterEach(() => {
  vi.useRealTimers();
});

const event = (type: string, processId: string) => create(ProcessEventSchema, { type, processId });
const process = (processId: string, read: bigint) =>
  create(ProcessSchema, { info: { processId }, counts: { read } });

it("replaces changed processes and leaves the rest", () => {
  const page = create(ListProcessesResponseSchema, { processes: [process("a", 1n), process("b", 2n)] });
  const now = patched({ pages: [page], pageParams: [""] }, new Map([["b", process("b", 9n)]]));
  expect(now?.pages[0]?.processes.map(({ counts }) => counts?.read)).toEqual([1n, 9n]);
});

it("refetches everything when a process starts, ends or is deleted", () => {
  expect(changesOf([event("rows.processed", "a"), event("rows.processed", "a")])).toEqual({
    all: false,
    ids: ["a"],
  });
  expect(changesOf([event("ingestion.started", "a")]).all).toBe(true);
  expect(changesOf([event("process.deleted", "a")]).all).toBe(true);
  expect(changesOf(Array.from({ length: 30 }, (_, id) => event("rows.processed", String(id)))).all).toBe(
    true,
  );
});

it("passes on a burst of events together, and the next one too", () => {
  vi.useFakeTimers();
  const bursts: number[] = [];
  const gatherer = gather((events) => bursts.push(events.length), 1000);
  gatherer.add([event("a", "1")]);
  gatherer.add([event("a", "1"), event("a", "2")]);
  vi.advanceTimersByTime(1000);
  gatherer.add([event("a", "1")]);
  vi.advanceTimersByTime(1000);
  gatherer.add([event("a", "1")]);
  gatherer.stop();
  vi.advanceTimersByTime(1000);
  expect(bursts).toEqual([3, 1]);
});
