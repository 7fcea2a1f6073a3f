import type { ProcessEvent } from "@/api/contract";

/** The events of a process in log order, without duplicates. */
export class EventLog {
  readonly processId: string;
  /** The last known event; 0: none. */
  last = 0n;
  private newestFirst: readonly ProcessEvent[] = [];

  constructor(processId: string) {
    this.processId = processId;
  }

  /** Adds events and returns all, newest first. */
  add(events: readonly ProcessEvent[]): readonly ProcessEvent[] {
    const fresh = events.filter(({ sequence }) => sequence > this.last);
    this.last = fresh.at(-1)?.sequence ?? this.last;
    this.newestFirst = [...fresh.reverse(), ...this.newestFirst];
    return this.newestFirst;
  }
}
