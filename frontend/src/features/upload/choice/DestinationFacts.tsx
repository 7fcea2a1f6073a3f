import { Button } from "@mantine/core";
import type { TableNow } from "@/api/contract";
import { formatCount, plural } from "@/lib/format";
import type { PipelineChoice } from "../map/TargetPanel";
import classes from "./DestinationFacts.module.css";
import { listed } from "./not-loaded";

interface DestinationFactsProps {
  /** The table of the chosen destination, as it is now; undefined while that is not known. */
  readonly table: TableNow | undefined;
  /** Columns of the file that the chosen destination leaves out. */
  readonly unread: readonly string[];
  /** A pipeline that fits and is not chosen. */
  readonly proposed: PipelineChoice | null;
  readonly onChoose: (name: string) => void;
}

/** What a person must know to choose: the table, what is in it, and what would not be loaded. */
export function DestinationFacts({ table, unread, proposed, onChoose }: DestinationFactsProps) {
  if (table === undefined && unread.length === 0 && proposed === null) return null;
  return (
    <div className={classes.facts}>
      {table !== undefined && <p>{tableText(table)}</p>}
      {unread.length > 0 && <NotLoaded labels={unread} />}
      {proposed !== null && (
        <div className={classes.proposal}>
          <div>
            <strong>{proposed.name}</strong>{" "}
            {proposed.loadedBefore ? "has loaded such files" : "fits this file"}
            {proposed.table !== "" && ` and loads into the table ${proposed.table}`}.
            {proposed.unread.length > 0 && <NotLoaded labels={proposed.unread} />}
          </div>
          <Button size="xs" variant="default" onClick={() => onChoose(proposed.name)}>
            Use {proposed.name}
          </Button>
        </div>
      )}
    </div>
  );
}

function NotLoaded({ labels }: { readonly labels: readonly string[] }) {
  return (
    <p className={classes.notLoaded}>
      <strong>Will not load:</strong> {listed(labels)}
    </p>
  );
}

/** "Table customers: has 1,234 rows now." */
export function tableText(table: TableNow): string {
  if (!table.exists) return `Table ${table.name}: does not exist yet; starting makes it.`;
  if (table.rowCount === 0n) return `Table ${table.name}: exists and is empty.`;
  const about = table.estimated ? `about ${formatCount(table.rowCount)} rows` : plural(table.rowCount, "row");
  return `Table ${table.name}: has ${about} now.`;
}
