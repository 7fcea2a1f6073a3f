import { memo } from "react";
import { type DryRunRow, RowState } from "@/api/contract";
import { formatCount, plural } from "@/lib/format";
import classes from "./ProblemList.module.css";

/** Maximum problems listed; the grid shows all. */
const LISTED = 100;

interface ProblemListProps {
  readonly rows: readonly DryRunRow[];
  /** Shows a cell in the grid. */
  readonly onShow: (rowIndex: number, label: string) => void;
}

/**
 * The problems found by the dry run, in order; each links to its cell. Made anew only for other rows: it is long,
 * and what is around it changes with every choice.
 */
export const ProblemList = memo(function ProblemList({ rows, onShow }: ProblemListProps) {
  const problems = rows.flatMap((row, rowIndex) =>
    row.errors.map((error, at) => ({ row, rowIndex, error, label: row.errorLabels[at] ?? "", at })),
  );
  if (problems.length === 0) return null;
  return (
    <div className={classes.problems}>
      <h3>{plural(problems.length, "problem")}</h3>
      <ul>
        {problems.slice(0, LISTED).map(({ row, rowIndex, error, label, at }) => (
          <li key={`${rowIndex} ${at}`}>
            <button type="button" onClick={() => onShow(rowIndex, label)}>
              <span className={classes.place}>
                Row {formatCount(row.rowNumber)}, line {formatCount(row.lineNumber)}
              </span>
              <span>
                {error.message}
                {row.state === RowState.SKIPPED && " (skipped)"}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {problems.length > LISTED && (
        <p className="muted">and {formatCount(problems.length - LISTED)} more in the grid</p>
      )}
    </div>
  );
});
