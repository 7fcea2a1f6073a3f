import type { ReactNode } from "react";
import classes from "./Panel.module.css";

interface PanelProps {
  readonly title?: ReactNode;
  /** Next to the title, on the right. */
  readonly aside?: ReactNode;
  readonly children: ReactNode;
  /** No padding, for tables and lists that reach the border. */
  readonly flush?: boolean;
}

/** A bordered surface, with or without a heading. */
export function Panel({ title, aside, children, flush = false }: PanelProps) {
  return (
    <section className={classes.panel}>
      {(title !== undefined || aside !== undefined) && (
        <div className={classes.head}>
          {title !== undefined && <h2>{title}</h2>}
          {aside !== undefined && <div className={classes.aside}>{aside}</div>}
        </div>
      )}
      <div className={flush ? classes.flush : classes.body}>{children}</div>
    </section>
  );
}
