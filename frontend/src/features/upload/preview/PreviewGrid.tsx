import { Tooltip } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type Ref, useImperativeHandle, useMemo, useRef } from "react";
import { type DryRunRow, RowState } from "@/api/contract";
import { formatCount } from "@/lib/format";
import classes from "./PreviewGrid.module.css";

const ROW_HEIGHT = 33;
const NUMBER_WIDTH = 72;

export interface PreviewGridHandle {
  /** Scrolls a row, and a column of it, into view and focuses it. */
  reveal(rowIndex: number, label: string): void;
}

interface PreviewGridProps {
  readonly columns: readonly string[];
  readonly rows: readonly DryRunRow[];
  readonly ref?: Ref<PreviewGridHandle>;
}

/** The first records of the file as a grid; invalid cells are marked and say why. Made anew only for other rows. */
export const PreviewGrid = memo(function PreviewGrid({ columns, rows, ref }: PreviewGridProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const widths = useMemo(() => columns.map((label, index) => widthOf(label, rows, index)), [columns, rows]);
  const vertical = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
  });
  const horizontal = useVirtualizer({
    count: columns.length,
    horizontal: true,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => widths[index] ?? 120,
    overscan: 3,
    scrollPaddingStart: NUMBER_WIDTH,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the virtualizer keeps widths until told otherwise.
  useMemo(() => horizontal.measure(), [widths]);

  useImperativeHandle(ref, () => ({
    reveal(rowIndex, label) {
      const column = columns.indexOf(label);
      vertical.scrollToIndex(rowIndex, { align: "center" });
      if (column >= 0) horizontal.scrollToIndex(column, { align: "center" });
      // The cell is rendered only after the grid has scrolled to it.
      setTimeout(() => {
        const place = `[data-row="${rowIndex}"]${column >= 0 ? `[data-column="${column}"]` : ""}`;
        scroller.current?.querySelector<HTMLElement>(place)?.focus({ preventScroll: true });
      }, 60);
    },
  }));

  const shown = horizontal.getVirtualItems();
  const width = NUMBER_WIDTH + horizontal.getTotalSize();
  return (
    // biome-ignore lint/a11y/useSemanticElements: rows that come and go while scrolling cannot be a <table>.
    <div
      ref={scroller}
      className={classes.scroller}
      role="table"
      aria-label="First rows of the file"
      aria-rowcount={rows.length + 1}
      aria-colcount={columns.length + 1}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
      tabIndex={0}
    >
      {/* biome-ignore lint/a11y/useSemanticElements: see above. */}
      {/* biome-ignore lint/a11y/useFocusableInteractive: a header row is not interactive. */}
      <div role="row" className={classes.header} style={{ width }}>
        {/* biome-ignore lint/a11y/useSemanticElements: see above. */}
        {/* biome-ignore lint/a11y/useFocusableInteractive: see above. */}
        <div role="columnheader" className={classes.number} style={{ width: NUMBER_WIDTH }}>
          Row
        </div>
        {shown.map((column) => (
          // biome-ignore lint/a11y/useSemanticElements: see above.
          // biome-ignore lint/a11y/useFocusableInteractive: see above.
          <div
            key={column.key}
            role="columnheader"
            aria-colindex={column.index + 2}
            className={classes.label}
            style={{ left: NUMBER_WIDTH + column.start, width: column.size }}
            title={columns[column.index]}
          >
            {columns[column.index]}
          </div>
        ))}
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: see above. */}
      <div role="rowgroup" className={classes.rows} style={{ width, height: vertical.getTotalSize() }}>
        {vertical.getVirtualItems().map(({ index, key, start }) => {
          const row = rows[index];
          if (row === undefined) return null;
          return (
            <GridRow
              key={key}
              row={row}
              index={index}
              top={start}
              width={width}
              columns={columns}
              shown={shown}
            />
          );
        })}
      </div>
    </div>
  );
});

interface GridRowProps {
  readonly row: DryRunRow;
  readonly index: number;
  readonly top: number;
  readonly width: number;
  readonly columns: readonly string[];
  readonly shown: readonly {
    readonly key: React.Key;
    readonly index: number;
    readonly start: number;
    readonly size: number;
  }[];
}

function GridRow({ row, index, top, width, columns, shown }: GridRowProps) {
  const problems = problemsByLabel(row);
  const whole = problems.get("");
  const place = `Row ${formatCount(row.rowNumber)}, line ${formatCount(row.lineNumber)}`;
  return (
    // biome-ignore lint/a11y/useSemanticElements: rows that come and go while scrolling cannot be a <table>.
    // biome-ignore lint/a11y/useFocusableInteractive: only cells with a message take the focus.
    <div
      role="row"
      aria-rowindex={index + 2}
      className={classes.row}
      data-state={
        row.state === RowState.FAILED ? "failed" : row.state === RowState.SKIPPED ? "skipped" : undefined
      }
      style={{ transform: `translateY(${top}px)`, width }}
    >
      <Cell
        className={classes.number}
        problem={whole}
        row={index}
        style={{ width: NUMBER_WIDTH }}
        label={place}
        header
      >
        {formatCount(row.rowNumber)}
      </Cell>
      {row.cells.length === 0 ? (
        // biome-ignore lint/a11y/useSemanticElements: see above.
        <div role="cell" className={classes.unsplit} style={{ left: NUMBER_WIDTH }}>
          {row.errors[0]?.value || row.errors[0]?.message}
        </div>
      ) : (
        shown.map((column) => (
          <Cell
            key={column.key}
            className={classes.cell}
            problem={problems.get(columns[column.index] ?? "")}
            row={index}
            column={column.index}
            style={{ left: NUMBER_WIDTH + column.start, width: column.size }}
            label={`${place}, ${columns[column.index]}`}
          >
            {row.cells[column.index]}
          </Cell>
        ))
      )}
    </div>
  );
}

interface CellProps {
  readonly className: string | undefined;
  readonly problem: string | undefined;
  readonly row: number;
  readonly column?: number;
  readonly style: React.CSSProperties;
  readonly label: string;
  readonly header?: boolean;
  readonly children: React.ReactNode;
}

function Cell({ className, problem, row, column, style, label, header = false, children }: CellProps) {
  const role = header ? "rowheader" : "cell";
  if (problem === undefined) {
    return (
      // biome-ignore lint/a11y/useAriaPropsSupportedByRole: a cell of a table, see above.
      <div
        role={role}
        className={className}
        style={style}
        aria-colindex={column === undefined ? 1 : column + 2}
      >
        {children}
      </div>
    );
  }
  return (
    <Tooltip label={problem} multiline maw={340} color="red">
      {/* biome-ignore lint/a11y/useAriaPropsSupportedByRole: a cell of a table, see above. */}
      <div
        role={role}
        className={className}
        data-problem
        data-row={row}
        data-column={column}
        style={style}
        tabIndex={0}
        aria-colindex={column === undefined ? 1 : column + 2}
        aria-label={`${label}: ${typeof children === "string" && children !== "" ? children : "empty"}. ${problem}`}
      >
        {children}
      </div>
    </Tooltip>
  );
}

/** Messages by column of a row; "" for the whole record. */
function problemsByLabel(row: DryRunRow): ReadonlyMap<string, string> {
  const problems = new Map<string, string>();
  row.errors.forEach((error, index) => {
    const label = row.errorLabels[index] ?? "";
    const before = problems.get(label);
    problems.set(label, before === undefined ? error.message : `${before}\n${error.message}`);
  });
  return problems;
}

/** Wide enough for most of the column's values. */
function widthOf(label: string, rows: readonly DryRunRow[], index: number): number {
  let longest = label.length + 1;
  for (const row of rows.slice(0, 60)) longest = Math.max(longest, (row.cells[index] ?? "").length);
  return Math.min(280, Math.max(84, 30 + longest * 7.9));
}
