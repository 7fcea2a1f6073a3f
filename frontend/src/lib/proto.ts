/** Protobuf values as the page computes with them. */
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";

/** A timestamp as a Date, or null when it is not set. */
export function toDate(time: Timestamp | undefined): Date | null {
  return time === undefined ? null : timestampDate(time);
}

/** An int64 as a number. Counts of rows and bytes stay far below 2^53. */
export function toNumber(value: bigint | undefined): number {
  return Number(value ?? 0n);
}
