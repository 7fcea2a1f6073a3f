import { useMediaQuery } from "@mantine/hooks";
import {
  type KeyboardEvent,
  type MouseEvent,
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import classes from "./Grid.module.css";
import { FIXED, GridRow, type GridShape, PHONE_FIXED } from "./GridRow";
import { type Cell, cellAfter } from "./keyboard";
import { placed, type ScrollPlace, scrolled, scrollMap } from "./scroll-map";
import type { RowSource } from "./source";

/** Row height of Grid.module.css, in pixels. */
export const ROW_HEIGHT = 36;
/** Width of a column of the file. */
const COLUMN_WIDTH = 168;
/** Rows rendered above and below the visible ones. */
const OVERSCAN = 6;

/** While the scroll bar is dragged, most rows that pass are not worth fetching. */
const WANT_EVERY_MS = 80;

interface RowGridProps {
  readonly source: RowSource;
  readonly columns: readonly string[];
  readonly mapping: ReadonlyMap<string, string>;
  /** Where to start: an index from 0. */
  readonly start: number | null;
  /** Changes whenever the list must go to `start`, even to the same row again. */
  readonly jump: number;
  readonly onOpen: (rowNumber: number) => void;
}

interface Tip {
  readonly text: string;
  readonly left: number;
  readonly top: number;
}

/**
 * Any number of rows, of which only the visible ones are rendered; a grid for keyboards and screen readers.
 */
export function RowGrid({ source, columns, mapping, start, jump, onOpen }: RowGridProps) {
  useSyncExternalStore(source.subscribe, () => source.version);
  const phone = useMediaQuery("(max-width: 760px)", undefined, { getInitialValueInEffect: false }) ?? false;
  const fixed = phone ? PHONE_FIXED : FIXED;
  const fixedWidth = fixed.reduce((sum, { width }) => sum + width, 0);
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ height: 600, width: 1000 });
  const [place, setPlace] = useState<ScrollPlace>({ top: 0, at: 0 });
  const [left, setLeft] = useState(0);
  const [active, setActive] = useState({ index: start ?? 0, column: 0 });
  const [focused, setFocused] = useState(false);
  const [tip, setTip] = useState<Tip | null>(null);

  const length = source.length + (source.more ? 1 : 0);
  const map = scrollMap(length, ROW_HEIGHT, view.height);
  const first = Math.max(0, Math.floor(place.at / ROW_HEIGHT) - OVERSCAN);
  const last = Math.min(length - 1, Math.ceil((place.at + view.height) / ROW_HEIGHT) + OVERSCAN);

  const firstColumn = Math.max(0, Math.floor((left - fixedWidth) / COLUMN_WIDTH) - 1);
  const lastColumn = Math.min(columns.length, Math.ceil((left + view.width) / COLUMN_WIDTH) + 1);
  const shape: GridShape = { fixed, columns, firstColumn, lastColumn, width: COLUMN_WIDTH, mapping, id };

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      setView({ height: Math.max(1, element.clientHeight - ROW_HEIGHT), width: element.clientWidth });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const want = useThrottled(source.want.bind(source), WANT_EVERY_MS);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new source must be read again.
  useEffect(() => {
    if (last >= first) want(first, last);
  }, [want, source, first, last]);

  const goTo = useCallback(
    (at: number) => {
      const next = placed(map, at);
      setPlace(next);
      if (box.current) box.current.scrollTop = next.top;
    },
    [map],
  );

  const latestGoTo = useRef(goTo);
  latestGoTo.current = goTo;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another jump may lead to the same row.
  useEffect(() => {
    if (start === null) return;
    setActive((before) => ({ ...before, index: start }));
    latestGoTo.current(start * ROW_HEIGHT - ROW_HEIGHT * 2);
  }, [start, jump]);

  // A different list starts at its beginning.
  useEffect(() => {
    if (source.length === 0) latestGoTo.current(0);
  }, [source]);

  const settle = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(settle.current), []);

  const onScroll = () => {
    const element = box.current;
    if (element === null) return;
    setLeft(element.scrollLeft);
    setTip(null);
    setPlace((before) => {
      if (Math.abs(before.top - element.scrollTop) < 1) return before;
      return scrolled(map, before, element.scrollTop);
    });
    clearTimeout(settle.current);
    settle.current = setTimeout(() => {
      setPlace((before) => {
        const right = placed(map, before.at);
        if (Math.abs(right.top - before.top) < 2) return before;
        element.scrollTop = right.top;
        return right;
      });
    }, 180);
  };

  const move = (to: Cell) => {
    setActive(to);
    const top = to.index * ROW_HEIGHT;
    if (top < place.at) goTo(top);
    else if (top + ROW_HEIGHT > place.at + view.height) goTo(top + ROW_HEIGHT - view.height);
    const element = box.current;
    if (element === null) return;
    const begin = to.column < fixed.length ? 0 : fixedWidth + (to.column - fixed.length) * COLUMN_WIDTH;
    const sticky = fixed[0]?.width ?? 0;
    if (begin - sticky < element.scrollLeft) element.scrollLeft = begin - sticky;
    else if (begin + COLUMN_WIDTH > element.scrollLeft + view.width) {
      element.scrollLeft = begin + COLUMN_WIDTH - view.width;
    }
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (length === 0 || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(view.height / ROW_HEIGHT) - 1);
    const size = { rows: length, columns: fixed.length + columns.length, page };
    const to = cellAfter(event.key, event.ctrlKey, active, size);
    if (to !== null) move(to);
    else if (event.key === "Enter") open(active.index);
    else if (event.key === "Escape") setTip(null);
    else return;
    event.preventDefault();
  };

  const open = (index: number) => {
    const rowNumber = source.numberAt(index);
    if (rowNumber !== undefined) onOpen(rowNumber);
  };

  // The message of the active cell.
  const activeId = `${id}-${active.index}-${active.column}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the cell may have only just been fetched.
  useEffect(() => {
    if (focused) setTip(tipOf(document.getElementById(activeId)));
  }, [activeId, focused, source.version]);

  const onPointer = (event: MouseEvent) => {
    const next = tipOf((event.target as Element).closest("[data-problem]"));
    setTip((before) => (before?.text === next?.text && before?.top === next?.top ? before : next));
  };

  // Rows scrolled out of view pass their elements on to those scrolled in.
  const pool = Math.ceil(view.height / ROW_HEIGHT) + 2 * OVERSCAN + 2;
  const indexes: number[] = [];
  for (let index = first; index <= last; index += 1) indexes.push(index);
  return (
    <>
      <div
        ref={box}
        role="grid"
        tabIndex={0}
        aria-label="Rows"
        aria-rowcount={source.more ? -1 : source.length + 1}
        aria-colcount={fixed.length + columns.length}
        aria-activedescendant={
          length > 0 && active.index >= first && active.index <= last ? activeId : undefined
        }
        className={classes.grid}
        onScroll={onScroll}
        onKeyDown={onKeyDown}
        onFocus={() => setFocused(true)}
        onBlur={() => {
          setFocused(false);
          setTip(null);
        }}
        onMouseMove={onPointer}
        onMouseLeave={() => setTip(null)}
        onClick={(event) => {
          const row = (event.target as Element).closest<HTMLElement>("[data-index]");
          if (row === null) return;
          const index = Number(row.dataset.index);
          setActive((before) => ({ ...before, index }));
          open(index);
        }}
      >
        <GridHead shape={shape} />
        <div
          role="rowgroup"
          style={{
            height: map.height,
            width: fixedWidth + columns.length * COLUMN_WIDTH,
            position: "relative",
          }}
        >
          <div
            role="presentation"
            className={classes.window}
            style={{ transform: `translateY(${place.top - place.at + first * ROW_HEIGHT}px)` }}
          >
            {indexes.map((index) => (
              <GridRow
                key={index % pool}
                index={index}
                row={source.at(index)}
                rowNumber={source.numberAt(index)}
                active={focused && index === active.index ? active.column : null}
                {...shape}
              />
            ))}
          </div>
        </div>
      </div>
      {tip !== null && (
        <div role="tooltip" className={classes.tip} style={{ left: tip.left, top: tip.top }}>
          {tip.text}
        </div>
      )}
    </>
  );
}

/** Calls at once after a quiet period, else a moment later with the latest arguments. */
function useThrottled(call: (first: number, last: number) => void, everyMs: number) {
  const latest = useRef(call);
  latest.current = call;
  const [throttled] = useState(() => {
    let waiting = false;
    let before = 0;
    let range: [number, number] = [0, 0];
    const now = () => {
      waiting = false;
      before = performance.now();
      latest.current(...range);
    };
    return (first: number, last: number) => {
      range = [first, last];
      if (waiting) return;
      const wait = before + everyMs - performance.now();
      waiting = wait > 0;
      if (waiting) setTimeout(now, wait);
      else now();
    };
  });
  return throttled;
}

function tipOf(cell: Element | null): Tip | null {
  const text = cell?.getAttribute("data-problem") ?? "";
  if (cell === null || text === "") return null;
  const { left, bottom } = cell.getBoundingClientRect();
  const room = Math.max(8, Math.min(left, window.innerWidth - 336));
  return { text, left: room, top: bottom + 4 };
}

function GridHead({ shape }: { readonly shape: GridShape }) {
  const { fixed, columns, firstColumn, lastColumn, width } = shape;
  return (
    <div
      role="row"
      aria-rowindex={1}
      className={classes.head}
      style={{ width: fixed.reduce((sum, column) => sum + column.width, 0) + columns.length * width }}
    >
      {fixed.map(({ key, label, width: own }, index) => (
        <div
          role="columnheader"
          key={key}
          aria-colindex={index + 1}
          className={`${classes.cell} ${key === "row" ? classes.sticky : ""}`}
          style={{ width: own }}
        >
          {label}
        </div>
      ))}
      {firstColumn > 0 && (
        <div role="presentation" className={classes.gap} style={{ width: firstColumn * width }} />
      )}
      {columns.slice(firstColumn, lastColumn).map((label, offset) => (
        <div
          role="columnheader"
          // biome-ignore lint/suspicious/noArrayIndexKey: labels may be alike, and columns never move.
          key={`${firstColumn + offset} ${label}`}
          aria-colindex={fixed.length + firstColumn + offset + 1}
          className={classes.cell}
          style={{ width }}
          title={label}
        >
          {label}
        </div>
      ))}
    </div>
  );
}
