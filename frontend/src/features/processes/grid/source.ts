/** Rows for the list: any row by its index, fetched in pages when it becomes visible. */

import type { Row } from "@/api/contract";
import { isCancelled, isTransient } from "@/api/errors";
import { toNumber } from "@/lib/proto";

interface RowsPage {
  readonly rows: readonly Row[];
  readonly nextPageToken: string;
}

/** Fetches a page of rows. */
export type FetchRows = (
  request: { filter: string; pageSize: number; pageToken: string },
  signal: AbortSignal,
) => Promise<RowsPage>;

/** A row of the list; `gone`: it was loaded, but its table does not have it now. */
export interface ListedRow extends Row {
  readonly gone?: boolean;
}

/** Fills in cells that the ledger does not have; the same rows in the same order. */
export type FillRows = (rows: readonly Row[], signal: AbortSignal) => Promise<readonly ListedRow[]>;

export interface RowSource {
  /** Rows to scroll over; grows. */
  readonly length: number;
  /** Whether more rows follow. */
  readonly more: boolean;
  /** The row at an index from 0, if it has been fetched. */
  at(index: number): ListedRow | undefined;
  /** Fetches these rows if needed; called whenever the visible rows change. */
  want(first: number, last: number): void;
  /** The number of the row at an index; undefined while unknown. */
  numberAt(index: number): number | undefined;
  /** The index of a row, or of the next one; undefined when it has not been fetched. */
  placeOf(rowNumber: number): number | undefined;
  /** Why the last fetch failed. */
  readonly error: unknown;
  retry(): void;
  subscribe(listener: () => void): () => void;
  /** Changes whenever anything else does. */
  readonly version: number;
  close(): void;
}

abstract class Source {
  error: unknown = null;
  version = 0;
  protected readonly fetchRows: FetchRows;
  protected fill: FillRows | null;
  /** The fill that is running. */
  protected filling: AbortController | null = null;
  private readonly listeners = new Set<() => void>();

  constructor(fetchRows: FetchRows, fill: FillRows | null = null) {
    this.fetchRows = fetchRows;
    this.fill = fill;
  }

  /** Fills rows in, one page at a time; null when that fails, and no more are filled in then. */
  protected async filled(rows: readonly Row[]): Promise<readonly ListedRow[] | null> {
    const { fill } = this;
    if (fill === null) return null;
    const controller = new AbortController();
    this.filling = controller;
    try {
      return await fill(rows, controller.signal);
    } catch {
      this.fill = null;
      return null;
    } finally {
      this.filling = null;
    }
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  protected changed(): void {
    this.version += 1;
    for (const listener of [...this.listeners]) listener();
  }
}

const PAGE = 100;
const FILTERED_PAGE = 200;
const KEPT_PAGES = 120;
const AT_ONCE = 2;

interface Page {
  readonly rows: ReadonlyMap<number, ListedRow>;
  readonly filled: boolean;
  /** The counts of the process at the time of the fetch: different counts may mean different rows. */
  readonly seen: string;
}

/** All rows of a process: row n is at index n - 1, so any page can be fetched directly. */
export class NumberedRows extends Source implements RowSource {
  length = 0;
  readonly more = false;
  /** Pages by number, least recently used first. */
  private readonly pages = new Map<number, Page>();
  private readonly running = new Map<number, AbortController>();
  private readonly failed = new Set<number>();
  private wanted: readonly [number, number] = [0, -1];
  private counts = "";

  /** Updates the number of rows and the counts that their states depend on. */
  update(length: number, counts: string): void {
    if (length === this.length && counts === this.counts) return;
    this.length = length;
    this.counts = counts;
    this.changed();
    this.pump();
  }

  at(index: number): ListedRow | undefined {
    return this.pages.get(Math.floor(index / PAGE))?.rows.get(index + 1);
  }

  numberAt(index: number): number {
    return index + 1;
  }

  placeOf(rowNumber: number): number | undefined {
    return rowNumber >= 1 && rowNumber <= this.length ? rowNumber - 1 : undefined;
  }

  want(first: number, last: number): void {
    this.wanted = [Math.floor(first / PAGE), Math.floor(last / PAGE)];
    for (const [page, controller] of this.running) {
      if (page < this.wanted[0] - 1 || page > this.wanted[1] + 1) controller.abort();
    }
    this.pump();
  }

  retry(): void {
    this.error = null;
    this.failed.clear();
    this.changed();
    this.pump();
  }

  close(): void {
    this.fill = null;
    this.filling?.abort();
    for (const controller of this.running.values()) controller.abort();
  }

  private pump(): void {
    this.fillNext();
    for (let page = this.wanted[0]; page <= this.wanted[1]; page += 1) {
      if (this.running.size >= AT_ONCE) return;
      if (page * PAGE >= this.length) return;
      const here = this.pages.get(page);
      if (this.running.has(page) || this.failed.has(page) || here?.seen === this.counts) continue;
      void this.load(page);
    }
  }

  private fillNext(): void {
    if (this.fill === null || this.filling !== null) return;
    for (let page = this.wanted[0]; page <= this.wanted[1]; page += 1) {
      const here = this.pages.get(page);
      if (here !== undefined && !here.filled) {
        void this.fillPage(page, here);
        return;
      }
    }
  }

  private async fillPage(page: number, here: Page): Promise<void> {
    const rows = await this.filled([...here.rows.values()]);
    if (rows === null) return;
    if (this.pages.get(page) === here) {
      this.pages.set(page, { ...here, rows: byNumber(rows), filled: true });
      this.changed();
    }
    this.fillNext();
  }

  private async load(page: number): Promise<void> {
    const controller = new AbortController();
    this.running.set(page, controller);
    const seen = this.counts;
    try {
      const first = page * PAGE + 1;
      const filter = `row>=${first}`;
      const found = await this.fetchRows({ filter, pageSize: PAGE, pageToken: "" }, controller.signal);
      const before = this.pages.get(page);
      const rows = byNumber(found.rows.map((row) => stillFilled(row, before?.rows)));
      this.pages.delete(page);
      this.pages.set(page, { rows, filled: false, seen });
      for (const oldest of this.pages.keys()) {
        if (this.pages.size <= KEPT_PAGES) break;
        this.pages.delete(oldest);
      }
      this.error = null;
    } catch (error) {
      if (!isCancelled(error)) {
        this.error = error;
        this.failed.add(page);
      }
    } finally {
      this.running.delete(page);
      this.changed();
      this.pump();
    }
  }
}

function byNumber(rows: readonly ListedRow[]): ReadonlyMap<number, ListedRow> {
  return new Map(rows.map((row) => [toNumber(row.rowNumber), row]));
}

/** The row with what was filled in before, until it is filled in again. */
function stillFilled(row: Row, before: ReadonlyMap<number, ListedRow> | undefined): ListedRow {
  const old = before?.get(toNumber(row.rowNumber));
  if (old === undefined || old.state !== row.state || row.cells.length > 0) return row;
  return { ...row, cells: old.cells, gone: old.gone ?? false };
}

/** Filtered rows: their positions are unknown until found, so they are fetched page by page. */
export class FilteredRows extends Source implements RowSource {
  more = true;
  private readonly rows: ListedRow[] = [];
  private filledTo = 0;
  private readonly filter: string;
  private pageToken = "";
  private wantedTo = 0;
  private running: AbortController | null = null;

  /** `filter` has the syntax of ListRowsRequest.filter, with `row>=` when it starts after row 1. */
  constructor(fetchRows: FetchRows, filter: string, fill: FillRows | null = null) {
    super(fetchRows, fill);
    this.filter = filter;
  }

  get length(): number {
    return this.rows.length;
  }

  at(index: number): ListedRow | undefined {
    return this.rows[index];
  }

  numberAt(index: number): number | undefined {
    const row = this.rows[index];
    return row === undefined ? undefined : toNumber(row.rowNumber);
  }

  placeOf(rowNumber: number): number | undefined {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.numberAt(middle) ?? 0) < rowNumber) low = middle + 1;
      else high = middle;
    }
    return low < this.rows.length ? low : undefined;
  }

  want(_first: number, last: number): void {
    this.wantedTo = last + PAGE;
    void this.pump();
  }

  retry(): void {
    this.error = null;
    this.changed();
    void this.pump();
  }

  close(): void {
    this.fill = null;
    this.filling?.abort();
    this.running?.abort();
  }

  private async fillNext(): Promise<void> {
    if (this.fill === null || this.filling !== null || this.filledTo >= this.rows.length) return;
    const from = this.filledTo;
    const rows = await this.filled(this.rows.slice(from, from + FILTERED_PAGE));
    if (rows === null) return;
    this.rows.splice(from, rows.length, ...rows);
    this.filledTo = from + rows.length;
    this.changed();
    await this.fillNext();
  }

  private async pump(): Promise<void> {
    if (this.running !== null || this.error !== null) return;
    if (!this.more || this.rows.length > this.wantedTo) return;
    const controller = new AbortController();
    this.running = controller;
    try {
      const page = await this.fetchRows(
        { filter: this.filter, pageSize: FILTERED_PAGE, pageToken: this.pageToken },
        controller.signal,
      );
      this.rows.push(...page.rows);
      void this.fillNext();
      this.pageToken = page.nextPageToken;
      this.more = page.nextPageToken !== "";
    } catch (error) {
      if (!isCancelled(error)) this.error = error;
    } finally {
      this.running = null;
      this.changed();
    }
    if (!controller.signal.aborted) await this.pump();
  }
}

/** A fetch that waits for an unreachable service, and fails on an answer that will not change. */
export function patient<Request, Answer>(
  fetchRows: (request: Request, signal: AbortSignal) => Promise<Answer>,
  wait: (attempt: number, signal: AbortSignal) => Promise<void>,
): (request: Request, signal: AbortSignal) => Promise<Answer> {
  return async (request, signal) => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await fetchRows(request, signal);
      } catch (error) {
        if (signal.aborted || !isTransient(error)) throw error;
        await wait(attempt, signal);
        signal.throwIfAborted();
      }
    }
  };
}
