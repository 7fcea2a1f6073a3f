import { useMediaQuery } from "@mantine/hooks";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Process } from "@/api/contract";
import page from "../ProcessesPage.module.css";
import { LINE_HEIGHT, PHONE_LINE_HEIGHT, ProcessLine, ProcessTableHead } from "../ProcessTable";
import table from "../ProcessTable.module.css";

interface EndlessProcessesProps {
  readonly processes: readonly Process[];
  readonly more: boolean;
  readonly onMore: () => void;
}

/** A list that scrolls with the window; only visible rows are rendered, and more are fetched near its end. */
export function EndlessProcesses({ processes, more, onMore }: EndlessProcessesProps) {
  const phone = useMediaQuery("(max-width: 760px)", undefined, { getInitialValueInEffect: false });
  const height = phone ? PHONE_LINE_HEIGHT : LINE_HEIGHT;
  const box = useRef<HTMLDivElement>(null);
  const [scrollMargin, setScrollMargin] = useState(0);
  useLayoutEffect(() => {
    if (box.current) setScrollMargin(box.current.getBoundingClientRect().top + window.scrollY);
  }, []);
  const virtual = useWindowVirtualizer({
    count: processes.length + (more ? 1 : 0),
    estimateSize: () => height,
    overscan: 8,
    scrollMargin,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows of another height must be measured again.
  useEffect(() => virtual.measure(), [virtual, height]);
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const near = more && last >= processes.length - 10;
  useEffect(() => {
    if (near) onMore();
  });
  return (
    <div
      role="table"
      aria-label="Processes"
      aria-rowcount={more ? -1 : processes.length + 1}
      className={table.table}
    >
      <ProcessTableHead />
      <div ref={box} role="rowgroup" className={page.window} style={{ height: virtual.getTotalSize() }}>
        {items.map(({ index, start, key }) => {
          const process = processes[index];
          const style = { transform: `translateY(${start - scrollMargin}px)` };
          return process === undefined ? (
            <div key={key} className={table.loading} style={style} aria-hidden>
              Loading more
            </div>
          ) : (
            <ProcessLine key={process.info?.processId} process={process} style={style} rowIndex={index + 2} />
          );
        })}
      </div>
    </div>
  );
}
