import { Tooltip } from "@mantine/core";
import type { ProcessState, RowState } from "@/api/contract";
import { processLook, rowLook, type StateLook } from "@/lib/states";
import classes from "./StateBadge.module.css";

function Badge({ look }: { readonly look: StateLook }) {
  return (
    <Tooltip label={look.meaning} multiline maw={260}>
      <span className={classes.badge} data-tone={look.tone}>
        <span className={classes.dot} aria-hidden />
        {look.label}
      </span>
    </Tooltip>
  );
}

/** The state of a process, always with the same word and colour. */
export function StateBadge({ state }: { readonly state: ProcessState }) {
  return <Badge look={processLook(state)} />;
}

/** The state of a row, always with the same word and colour. */
export function RowStateBadge({ state }: { readonly state: RowState }) {
  return <Badge look={rowLook(state)} />;
}
