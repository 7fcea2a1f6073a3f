import { Button } from "@mantine/core";
import { type InspectedLine, LineRole } from "@/api/contract";
import { formatCount } from "@/lib/format";
import type { Dialect } from "./dialect";
import classes from "./FirstLines.module.css";
import { saysHeader, widthOf, withHeaderAt, withHeaderFound, withoutHeader } from "./header-line";

interface FirstLinesProps {
  readonly lines: readonly InspectedLine[];
  readonly declared: Dialect;
  readonly onChange: (declared: Dialect) => void;
  /** They are being read again. */
  readonly stale: boolean;
}

const ROLES: Partial<Record<LineRole, string>> = {
  [LineRole.ABOVE]: "above the header",
  [LineRole.HEADER]: "header",
  [LineRole.SKIPPED]: "skipped",
  [LineRole.FAILED]: "rejected",
  [LineRole.FOOTER]: "below the table",
};

/** The first lines of the file as they stand there. The header is marked; any other line can be made it. */
export function FirstLines({ lines, declared, onChange, stale }: FirstLinesProps) {
  if (lines.length === 0) return null;
  const width = widthOf(lines);
  const first = lines.find(({ role }) => role !== LineRole.ABOVE && role !== LineRole.SKIPPED);
  const headed = lines.some(({ role }) => role === LineRole.HEADER);
  return (
    <div className={classes.lines}>
      <div className={classes.bar}>
        <span className="muted">
          {headed
            ? "The marked line is the header. Click another line if it is not."
            : "No line is the header: columns are numbered. Click the header if there is one."}
        </span>
        {headed && first !== undefined && (
          <Button
            variant="default"
            size="compact-xs"
            onClick={() => onChange(withoutHeader(declared, first.lineNumber))}
          >
            No header
          </Button>
        )}
        {saysHeader(declared) && (
          <Button variant="default" size="compact-xs" onClick={() => onChange(withHeaderFound(declared))}>
            Find the header again
          </Button>
        )}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section className={classes.scroller} tabIndex={0} aria-label="First lines" aria-busy={stale}>
        <table className={classes.table}>
          <thead className="visually-hidden">
            <tr>
              <th scope="col">Line</th>
              <th scope="col" colSpan={width}>
                Cells
              </th>
            </tr>
          </thead>
          <tbody>
            {lines.map((line, place) => (
              <Line
                key={line.lineNumber}
                line={line}
                width={width}
                gap={place > 0 && line.role === LineRole.FOOTER && isFar(lines[place - 1], line)}
                onHeader={() => onChange(withHeaderAt(declared, line.lineNumber))}
              />
            ))}
          </tbody>
        </table>
      </section>
    </div>
  );
}

/** Whether lines are left out between two of them. */
function isFar(before: InspectedLine | undefined, line: InspectedLine): boolean {
  return before !== undefined && line.lineNumber > before.lineNumber + 1n && before.role !== LineRole.FOOTER;
}

interface LineProps {
  readonly line: InspectedLine;
  readonly width: number;
  /** Lines before it are not shown. */
  readonly gap: boolean;
  readonly onHeader: () => void;
}

function Line({ line, width, gap, onHeader }: LineProps) {
  const number = formatCount(line.lineNumber);
  const role = ROLES[line.role];
  const rest = width - line.cells.length;
  return (
    <tr data-role={LineRole[line.role]?.toLowerCase()} data-gap={gap || undefined} title={line.why || role}>
      <th scope="row">
        <button
          type="button"
          aria-pressed={line.role === LineRole.HEADER}
          aria-label={`Line ${number} is the header${role && line.role !== LineRole.HEADER ? ` (now ${role})` : ""}`}
          onClick={onHeader}
        >
          {number}
        </button>
      </th>
      {line.cells.map((cell, column) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a cell is known by its column.
        <td key={column} colSpan={column === line.cells.length - 1 && rest > 0 ? rest + 1 : undefined}>
          {cell}
        </td>
      ))}
      {line.cells.length === 0 && <td colSpan={Math.max(width, 1)} />}
    </tr>
  );
}
