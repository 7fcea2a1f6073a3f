/** Time ranges of the charts. */
export const RANGES = ["1h", "24h", "7d", "30d"] as const;

export type Range = (typeof RANGES)[number];

export const RANGE_LABELS: Readonly<Record<Range, string>> = {
  "1h": "1 hour",
  "24h": "24 hours",
  "7d": "7 days",
  "30d": "30 days",
};

const MINUTE = 60;
const HOUR = 3600;

const SHAPES: Readonly<Record<Range, { readonly seconds: number; readonly bucket: number }>> = {
  "1h": { seconds: HOUR, bucket: MINUTE },
  "24h": { seconds: 24 * HOUR, bucket: 30 * MINUTE },
  "7d": { seconds: 7 * 24 * HOUR, bucket: 3 * HOUR },
  "30d": { seconds: 30 * 24 * HOUR, bucket: 12 * HOUR },
};

/** The range up to now in milliseconds of the epoch, cut at round times so that its buckets stay the same. */
export function windowOf(range: Range, now: number) {
  const { seconds, bucket } = SHAPES[range];
  const step = bucket * 1000;
  const end = Math.ceil(now / step) * step;
  return { start: end - seconds * 1000, end, bucketSeconds: bucket };
}
