/** All uploads of this page in a tenant. They continue while the person is on other screens. */
import { sessionScope } from "@/api/session";
import { browserPorts } from "./browser";
import type { UploadPorts, UploadRecord } from "./ports";
import {
  type Completion,
  type UploadOptions,
  type UploadPhase,
  type UploadSnapshot,
  UploadTask,
} from "./task";

/** Files sent at the same time; the others wait. */
const AT_ONCE = 3;

/** The server removes open uploads left untouched for a week. */
const REMEMBERED_MS = 7 * 86_400_000;
/** Listeners are notified at most this often; progress arrives a hundred times a second. */
const NOTIFY_EVERY_MS = 60;

const ENDED: readonly UploadPhase[] = ["refused", "completed", "cancelled"];
const IN_FLIGHT: readonly UploadPhase[] = ["preparing", "sending", "reconnecting", "completing"];

class UploadCenter {
  private readonly ports: UploadPorts;
  private readonly tasks = new Map<string, UploadTask>();
  private readonly listeners = new Set<() => void>();
  private readonly queue: UploadTask[] = [];
  private running = 0;
  private nextKey = 1;
  private snapshots: readonly UploadSnapshot[] = [];
  private notifying = false;
  private notified = 0;

  constructor(ports: UploadPorts) {
    this.ports = ports;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Every upload of this page, oldest first; the same array until something changes. */
  readonly list = (): readonly UploadSnapshot[] => this.snapshots;

  /** Starts to send a file, or resumes where it stopped; returns the upload's key. */
  start(file: File, options: UploadOptions = {}): string {
    const key = String(this.nextKey++);
    const task = new UploadTask(key, file, options, this.ports, () => this.publish());
    this.tasks.set(key, task);
    this.queue.push(task);
    this.publish();
    this.pump();
    return key;
  }

  pause(key: string): void {
    this.tasks.get(key)?.pause();
  }

  resume(key: string): void {
    this.tasks.get(key)?.resume();
  }

  async cancel(key: string): Promise<void> {
    await this.tasks.get(key)?.cancel();
  }

  complete(key: string, completion: Completion): void {
    this.tasks.get(key)?.complete(completion);
  }

  /** Removes an upload that has ended from the list. */
  dismiss(key: string): void {
    const task = this.tasks.get(key);
    if (task === undefined || !ENDED.includes(task.state.phase)) return;
    this.tasks.delete(key);
    this.publish();
  }

  /** Whether leaving the page now would interrupt something. */
  get busy(): boolean {
    return this.snapshots.some(({ phase }) => IN_FLIGHT.includes(phase));
  }

  /** Uploads started earlier that no task of this page is working on. */
  async unfinished(): Promise<readonly UploadRecord[]> {
    const here = new Set([...this.tasks.values()].map(({ state }) => state.uploadId));
    const records = await this.ports.memory.list();
    const old = this.ports.now() - REMEMBERED_MS;
    for (const { fingerprint, updated } of records) {
      if (updated < old) await this.ports.memory.remove(fingerprint);
    }
    return records
      .filter(({ uploadId, processId, updated }) => processId === "" && updated >= old && !here.has(uploadId))
      .sort((a, b) => b.updated - a.updated);
  }

  /** Discards an upload started earlier. */
  async forget(record: UploadRecord): Promise<void> {
    await this.ports.memory.remove(record.fingerprint);
    await this.ports.calls.abortUpload({ uploadId: record.uploadId }).catch(() => undefined);
  }

  private pump(): void {
    while (this.running < AT_ONCE) {
      const task = this.queue.shift();
      if (task === undefined) return;
      this.running += 1;
      let counted = true;
      const release = () => {
        if (!counted) return;
        counted = false;
        this.running -= 1;
        this.pump();
      };
      // A file that is sent, paused or failed takes no slot from those that wait.
      const watch = this.subscribe(() => {
        if (IN_FLIGHT.includes(task.state.phase)) return;
        watch();
        release();
      });
      void task.run().finally(() => {
        watch();
        release();
      });
    }
  }

  private publish(): void {
    if (this.notifying) return;
    this.notifying = true;
    const since = this.ports.now() - this.notified;
    const notify = () => {
      this.notifying = false;
      this.notified = this.ports.now();
      this.snapshots = [...this.tasks.values()].map((task) => task.state);
      for (const listener of [...this.listeners]) listener();
    };
    if (since >= NOTIFY_EVERY_MS) queueMicrotask(notify);
    else setTimeout(notify, NOTIFY_EVERY_MS - since);
  }
}

const centers = new Map<string, UploadCenter>();

/** The uploads of this page in the chosen tenant. Those of another one go on and show when it is chosen. */
export function uploadCenter(): UploadCenter {
  const scope = sessionScope();
  let center = centers.get(scope);
  if (center === undefined) {
    center = new UploadCenter(browserPorts());
    centers.set(scope, center);
  }
  return center;
}

globalThis.addEventListener?.("beforeunload", (event) => {
  if ([...centers.values()].some(({ busy }) => busy)) event.preventDefault();
});
