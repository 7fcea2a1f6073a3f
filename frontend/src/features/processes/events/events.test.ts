import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { ProcessEventSchema } from "@/api/contract";
import { describeEvent } from "./describe";
import { EventLog } from "./log";

const event = (sequence: bigint) => create(ProcessEventSchema, { sequence });

it("keeps events in order without duplicates", () => {
  const log = new EventLog("p");
  log.add([event(1n), event(2n)]);
  expect(log.add([event(2n), event(5n)]).map(({ sequence }) => sequence)).toEqual([5n, 2n, 1n]);
  expect(log.last).toBe(5n);
});

it("describes the outcome of a batch", () => {
  const json =
    '{"batch_number": 3, "first_row": 101, "row_count": 50, "succeeded": 48, "failed": 2, "skipped": 0}';
  const { title, detail, tone, minor } = describeEvent("rows.processed", json);
  expect(title).toBe("Batch 3 done");
  expect(detail).toBe("Rows 101 to 150: 48 loaded, 2 failed.");
  expect(tone).toBe("warning");
  expect(minor).toBe(true);
});

it("describes batches that were sent again", () => {
  const { title, detail } = describeEvent("rows.redispatched", '{"batch_count": 2, "row_count": 30}');
  expect(title).toBe("2 batches sent again");
  expect(detail).toBe("The queue had lost them, with 30 rows.");
});

it("describes how a process ended", () => {
  const counts = '"counts": {"read": 10, "succeeded": 8, "failed": 1, "skipped": 0, "unprocessed": 1}';
  expect(describeEvent("ingestion.completed", `{${counts}}`).detail).toBe(
    "10 rows: 8 loaded, 1 failed, 1 unprocessed.",
  );
  const failed = describeEvent("ingestion.failed", '{"failure": {"reason": "X", "message": "No header."}}');
  expect(failed.detail).toBe("No header.");
  expect(failed.tone).toBe("bad");
});

it("shows an event that it does not know", () => {
  expect(describeEvent("something.new", "no json").title).toBe("something.new");
});
