import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import classes from "./EndlessTable.module.css";

interface EndlessTableProps<Item> {
  /** Accessible name. */
  readonly label: string;
  readonly className: string | undefined;
  /** The row of headings. */
  readonly head: ReactNode;
  readonly items: readonly Item[];
  /** Pixels of every line. */
  readonly lineHeight: number;
  /** A row, with its key, its place, and its position in the whole list; the headings are row 1. */
  readonly line: (item: Item, style: CSSProperties, rowIndex: number) => ReactNode;
  readonly more: boolean;
  readonly onMore: () => void;
}

/** A list that scrolls with the window; only visible rows are rendered, and more are fetched near its end. */
export function EndlessTable<Item>(props: EndlessTableProps<Item>) {
  const { label, className, head, items, lineHeight, line, more, onMore } = props;
  const box = useRef<HTMLDivElement>(null);
  const [scrollMargin, setScrollMargin] = useState(0);
  useLayoutEffect(() => {
    if (box.current) setScrollMargin(box.current.getBoundingClientRect().top + window.scrollY);
  }, []);
  const virtual = useWindowVirtualizer({
    count: items.length + (more ? 1 : 0),
    estimateSize: () => lineHeight,
    overscan: 8,
    scrollMargin,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows of another height must be measured again.
  useEffect(() => virtual.measure(), [virtual, lineHeight]);
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  const near = more && last >= items.length - 10;
  useEffect(() => {
    if (near) onMore();
  });
  return (
    <div role="table" aria-label={label} aria-rowcount={more ? -1 : items.length + 1} className={className}>
      {head}
      <div ref={box} role="rowgroup" className={classes.window} style={{ height: virtual.getTotalSize() }}>
        {shown.map(({ index, start, key }) => {
          const item = items[index];
          const style = { transform: `translateY(${start - scrollMargin}px)` };
          return item === undefined ? (
            <div key={key} className={classes.loading} style={{ ...style, height: lineHeight }} aria-hidden>
              Loading more
            </div>
          ) : (
            line(item, style, index + 2)
          );
        })}
      </div>
    </div>
  );
}
