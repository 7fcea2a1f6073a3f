import { memo } from "react";
import { RowState } from "@/api/contract";
import { formatCount } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import { rowLook } from "@/lib/states";
import { errorsByCell, errorText } from "./columns";
import classes from "./Grid.module.css";
import type { ListedRow } from "./source";

interface FixedColumn {
  readonly key: "row" | "line" | "state" | "problem";
  readonly label: string;
  readonly width: number;
}

/** The columns before the file's own. */
export const FIXED: readonly FixedColumn[] = [
  { key: "row", label: "Row", width: 96 },
  { key: "line", label: "Line", width: 88 },
  { key: "state", label: "State", width: 112 },
  { key: "problem", label: "Reason", width: 320 },
];
export const PHONE_FIXED: readonly FixedColumn[] = [
  { key: "row", label: "Row", width: 80 },
  { key: "state", label: "State", width: 100 },
  { key: "problem", label: "Reason", width: 240 },
  { key: "line", label: "Line", width: 80 },
];

export interface GridShape {
  readonly fixed: readonly FixedColumn[];
  readonly columns: readonly string[];
  /** The rendered columns of the file: from `firstColumn` up to, but not including, `lastColumn`. */
  readonly firstColumn: number;
  readonly lastColumn: number;
  readonly width: number;
  readonly mapping: ReadonlyMap<string, string>;
  readonly id: string;
}

interface GridRowProps extends GridShape {
  readonly index: number;
  /** Undefined while it is being fetched. */
  readonly row: ListedRow | undefined;
  readonly rowNumber: number | undefined;
  /** The active column, when the active cell is in this row. */
  readonly active: number | null;
}

/** One row; rendered again only when it changes, not when the list scrolls. */
export const GridRow = memo(function GridRow(props: GridRowProps) {
  const { index, row, rowNumber, active, fixed, columns, firstColumn, lastColumn, width, mapping, id } =
    props;
  const errors = row?.errors ?? [];
  const byCell = errors.length > 0 ? errorsByCell(errors, columns, mapping) : null;
  // A row still being fetched stays empty while the scroll bar is dragged.
  const shownColumns = row === undefined && active === null ? [] : columns.slice(firstColumn, lastColumn);
  const words = errors.map(errorText).join(" · ");
  return (
    <div role="row" aria-rowindex={index + 2} data-index={index} className={classes.row}>
      {fixed.map(({ key, width: own }, place) => (
        <div
          role={key === "row" ? "rowheader" : "gridcell"}
          key={key}
          id={`${id}-${index}-${place}`}
          aria-colindex={place + 1}
          className={`${classes.cell} ${classes[key] ?? ""} ${active === place ? classes.active : ""}`}
          style={{ width: own }}
          data-problem={key === "problem" && words !== "" ? words : undefined}
        >
          {fixedContent(key, row, rowNumber, words)}
        </div>
      ))}
      {firstColumn > 0 && (
        <div role="presentation" className={classes.gap} style={{ width: firstColumn * width }} />
      )}
      {shownColumns.map((label, offset) => {
        const place = firstColumn + offset;
        const problems = byCell?.get(place);
        const value = row?.cells[place];
        const message = problems?.map((problem) => problem.message).join(" · ");
        return (
          <div
            role="gridcell"
            key={`${place} ${label}`}
            id={`${id}-${index}-${fixed.length + place}`}
            aria-colindex={fixed.length + place + 1}
            className={`${classes.cell} ${problems ? classes.bad : ""} ${
              active === fixed.length + place ? classes.active : ""
            }`}
            style={{ width }}
            data-problem={message}
          >
            {value === "" && problems ? <span className={classes.empty}>empty</span> : value}
            {message !== undefined && <span className="visually-hidden">, error: {message}</span>}
          </div>
        );
      })}
    </div>
  );
});

function fixedContent(
  key: FixedColumn["key"],
  row: ListedRow | undefined,
  rowNumber: number | undefined,
  words: string,
) {
  if (key === "row") return rowNumber === undefined ? "" : formatCount(rowNumber);
  if (row === undefined) return key === "problem" ? "" : <span className={classes.wait} aria-hidden />;
  if (key === "line") return toNumber(row.lineNumber) > 0 ? formatCount(row.lineNumber) : "";
  if (key === "problem") return row.gone ? <span className={classes.gone}>Not in the table now</span> : words;
  const { label, tone } = rowLook(row.state);
  return (
    <span
      className={classes.badge}
      data-tone={tone}
      data-plain={row.state === RowState.SUCCEEDED || undefined}
    >
      {label}
    </span>
  );
}
