import { Link } from "@tanstack/react-router";
import { ProcessState, type StateCount } from "@/api/contract";
import { STATE_GROUPS } from "@/features/processes";
import { formatCount } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import { processLook } from "@/lib/states";
import classes from "./OverviewPage.module.css";

/** How many processes are in each state, undefined while unknown; each tile links to them. */
export function StateTiles({ states }: { readonly states: readonly StateCount[] | undefined }) {
  const counts = new Map(states?.map(({ state, count }) => [ProcessState[state] ?? "", toNumber(count)]));
  return (
    <nav className={classes.tiles} aria-label="Processes by state">
      {STATE_GROUPS.map(({ label, words }) => {
        const count = words.reduce((sum, word) => sum + (counts.get(word) ?? 0), 0);
        const state = ProcessState[words[words.length - 1] as keyof typeof ProcessState];
        return (
          <Link
            key={label}
            to="/processes"
            search={{ state: words.join(",") }}
            className={classes.tile}
            data-zero={count === 0 || undefined}
          >
            <span>
              <i className={classes.dot} data-tone={processLook(state).tone} aria-hidden />
              {label}
            </span>
            <strong>{states === undefined ? "–" : formatCount(count)}</strong>
          </Link>
        );
      })}
    </nav>
  );
}
