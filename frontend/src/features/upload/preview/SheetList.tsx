import type { InspectedSheet } from "@/api/contract";
import { plural } from "@/lib/format";
import classes from "./SheetList.module.css";

interface SheetListProps {
  readonly sheets: readonly InspectedSheet[];
  /** The name of the one that is read. */
  readonly used: string;
  readonly onChoose: (name: string) => void;
}

/** The sheets of a workbook with their sizes, to choose the one that is read; nothing if there is only one. */
export function SheetList({ sheets, used, onChoose }: SheetListProps) {
  if (sheets.length < 2) return null;
  return (
    <fieldset className={classes.sheets}>
      <legend>Sheet</legend>
      {sheets.map((sheet) => (
        <label key={sheet.name} data-off={!sheet.readable || undefined}>
          <input
            type="radio"
            name="sheet"
            checked={sheet.name === used}
            disabled={!sheet.readable}
            onChange={() => onChoose(sheet.name)}
          />
          <span>{sheet.name}</span> <span className="muted">{describe(sheet)}</span>
        </label>
      ))}
    </fieldset>
  );
}

function describe(sheet: InspectedSheet): string {
  const size =
    sheet.rowCount > 0n
      ? `${plural(sheet.rowCount, "row")} × ${plural(sheet.columnCount, "column")}`
      : sheet.readable
        ? "size unknown"
        : "no cells";
  return sheet.hidden ? `${size}, hidden` : size;
}
