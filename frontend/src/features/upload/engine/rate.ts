/** The rate of something over the last seconds. */
export class RateMeter {
  private samples: { readonly time: number; readonly amount: number }[] = [];
  private readonly windowMs: number;

  constructor(windowMs = 8_000) {
    this.windowMs = windowMs;
  }

  /** Records the amount at a time (milliseconds). Neither ever decreases. */
  add(time: number, amount: number): void {
    this.samples.push({ time, amount });
    while (this.samples.length > 2 && (this.samples[1]?.time ?? 0) < time - this.windowMs)
      this.samples.shift();
  }

  /** Resets, so that the time of a pause does not count. */
  reset(): void {
    this.samples = [];
  }

  /** Amount per second; null while unknown. */
  get perSecond(): number | null {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (first === undefined || last === undefined || last.time - first.time < 300) return null;
    return ((last.amount - first.amount) * 1000) / (last.time - first.time);
  }
}
