/** Rates, shares and remaining time of a process. */
import { type Batch, BatchState, type Process } from "@/api/contract";
import { toDate, toNumber } from "@/lib/proto";

/** The number of rows with an outcome at `time` (milliseconds of the epoch). */
export interface Sample {
  readonly time: number;
  readonly done: number;
}

/** Rows with an outcome. */
export function rowsDone(process: Process): number {
  const { counts } = process;
  return toNumber(counts?.succeeded) + toNumber(counts?.failed) + toNumber(counts?.skipped);
}

/** Rows with an outcome over time, from the records of batches. */
export function samplesOf(batches: readonly Batch[], begun: number): Sample[] {
  const outcomes = batches
    .filter((batch) => batch.state === BatchState.PROCESSED)
    .map((batch) => ({
      time: toDate(batch.processTime)?.getTime() ?? begun,
      rows: toNumber(batch.range?.rowCount),
    }))
    .sort((a, b) => a.time - b.time);
  let done = 0;
  const samples: Sample[] = [{ time: begun, done: 0 }];
  for (const { time, rows } of outcomes) {
    done += rows;
    samples.push({ time: Math.max(time, begun), done });
  }
  return samples;
}

/** Appends live samples to recorded ones: counts and times only grow. */
export function joined(recorded: readonly Sample[], live: readonly Sample[]): Sample[] {
  const all = [...recorded];
  for (const sample of live) {
    const last = all.at(-1);
    if (last === undefined || (sample.time > last.time && sample.done >= last.done)) all.push(sample);
  }
  return all;
}

/** Rows done at a time, interpolated linearly between samples. */
function doneAt(samples: readonly Sample[], time: number): number {
  let low = 0;
  let high = samples.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((samples[middle]?.time ?? 0) <= time) low = middle;
    else high = middle - 1;
  }
  const before = samples[low];
  const after = samples[low + 1];
  if (before === undefined) return 0;
  if (after === undefined || time <= before.time || after.time === before.time) return before.done;
  const share = (time - before.time) / (after.time - before.time);
  return before.done + share * (after.done - before.done);
}

const STEPS = [
  100, 200, 250, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 300_000, 900_000, 3_600_000,
];

interface RateSeries {
  /** Midpoints of the buckets, in seconds of the epoch. */
  readonly times: number[];
  /** Rows per second in each bucket. */
  readonly rates: number[];
}

/** Number of buckets: few enough that most contain a batch's outcome, or the chart turns into a saw. */
export function piecesFor(samples: number): number {
  return Math.max(8, Math.min(60, Math.round(samples / 1.6)));
}

/** Rows per second over time in at most `most` buckets of equal length. */
export function rateSeries(samples: readonly Sample[], end: number, most = 60): RateSeries {
  const start = samples[0]?.time ?? end;
  const span = Math.max(end - start, 1);
  const step = STEPS.find((length) => span / length <= most) ?? Math.ceil(span / most);
  const times: number[] = [];
  const rates: number[] = [];
  for (let from = start; from < end; from += step) {
    const to = Math.min(from + step, end);
    // A very short last bucket says nothing.
    if (to - from < step / 4 && times.length > 0) break;
    times.push((from + to) / 2000);
    rates.push(((doneAt(samples, to) - doneAt(samples, from)) * 1000) / (to - from));
  }
  return { times, rates };
}

/** Rows per second in the last `window` milliseconds; null while unknown. */
export function currentRate(samples: readonly Sample[], now: number, window = 15_000): number | null {
  const first = samples[0];
  if (first === undefined) return null;
  const from = Math.max(first.time, now - window);
  if (now - from < 500) return null;
  return ((doneAt(samples, now) - doneAt(samples, from)) * 1000) / (now - from);
}

/**
 * Rows of the whole file: known once all is read, else estimated from the bytes; null before the first
 * batch.
 */
export function expectedRows(process: Process): number | null {
  const read = toNumber(process.counts?.read);
  const bytes = toNumber(process.bytesDispatched);
  const all = toNumber(process.contentBytes);
  if (read === 0 || bytes === 0) return null;
  return bytes >= all ? read : Math.round((read * all) / bytes);
}

/** Milliseconds until all rows have an outcome; null while unknown. */
export function timeLeft(process: Process, rate: number | null): number | null {
  const expected = expectedRows(process);
  if (expected === null || rate === null || rate <= 0) return null;
  return (Math.max(0, expected - rowsDone(process)) / rate) * 1000;
}

/** From its start to its end, or to now, in milliseconds. */
export function durationOf(process: Process, now: number): number {
  const begun = toDate(process.createTime)?.getTime() ?? now;
  const ended = toDate(process.endTime)?.getTime() ?? now;
  return Math.max(0, ended - begun);
}
