import { Skeleton } from "@mantine/core";
import classes from "./States.module.css";

interface LoadingStateProps {
  /** Lines of the skeleton. */
  readonly lines?: number;
  /** What is being loaded, for screen readers. */
  readonly label?: string;
}

/** A skeleton, shown after a short delay so that quick answers do not flicker. */
export function LoadingState({ lines = 5, label = "Loading" }: LoadingStateProps) {
  return (
    <div className={classes.loading} role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike and never move.
        <Skeleton key={line} height={18} radius="sm" width={`${100 - ((line * 17) % 40)}%`} />
      ))}
    </div>
  );
}
