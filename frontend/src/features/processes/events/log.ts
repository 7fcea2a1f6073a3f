import type { ProcessEvent } from "@/api/contract";

/** The events of a process in the order of the log, each once, however often they come. */
export class EventLog {
  readonly processId: string;
  /** The last event that is known; 0: none. */
  last = 0n;
  private newestFirst: readonly ProcessEvent[] = [];

  constructor(processId: string) {
    this.processId = processId;
  }

  /** Takes events on and answers with all, newest first. */
  add(events: readonly ProcessEvent[]): readonly ProcessEvent[] {
    const fresh = events.filter(({ sequence }) => sequence > this.last);
    this.last = fresh.at(-1)?.sequence ?? this.last;
    this.newestFirst = [...fresh.reverse(), ...this.newestFirst];
    return this.newestFirst;
  }
}
