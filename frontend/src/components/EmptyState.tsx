import type { TablerIcon } from "@tabler/icons-react";
import type { ReactNode } from "react";
import classes from "./States.module.css";

interface EmptyStateProps {
  readonly icon: TablerIcon;
  readonly title: string;
  readonly children?: ReactNode;
  /** What to do about it: a button or a link. */
  readonly action?: ReactNode;
  /** 1 when it fills the whole screen. */
  readonly level?: 1 | 2;
}

/** Nothing to show, but no error: says why, and what to do. */
export function EmptyState({ icon: Icon, title, children, action, level = 2 }: EmptyStateProps) {
  const Heading = level === 1 ? "h1" : "h2";
  return (
    <div className={classes.state}>
      <div className={classes.icon}>
        <Icon size={24} stroke={1.5} aria-hidden />
      </div>
      <Heading className={classes.title}>{title}</Heading>
      {children !== undefined && <div className={classes.text}>{children}</div>}
      {action !== undefined && <div className={classes.action}>{action}</div>}
    </div>
  );
}
