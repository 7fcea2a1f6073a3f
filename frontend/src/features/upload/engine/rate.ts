/** How fast something goes, over the last seconds. */
export class RateMeter {
  private samples: { readonly time: number; readonly amount: number }[] = [];
  private readonly windowMs: number;

  constructor(windowMs = 8_000) {
    this.windowMs = windowMs;
  }

  /** Notes how much there is at a time (milliseconds). Both never go down. */
  add(time: number, amount: number): void {
    this.samples.push({ time, amount });
    while (this.samples.length > 2 && (this.samples[1]?.time ?? 0) < time - this.windowMs)
      this.samples.shift();
  }

  /** Forgets: after a pause the time in which nothing went is not to count. */
  reset(): void {
    this.samples = [];
  }

  /** Amount per second; null until that can be said. */
  get perSecond(): number | null {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (first === undefined || last === undefined || last.time - first.time < 300) return null;
    return ((last.amount - first.amount) * 1000) / (last.time - first.time);
  }
}
