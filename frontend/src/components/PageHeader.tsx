import type { ReactNode } from "react";
import classes from "./PageHeader.module.css";

interface PageHeaderProps {
  readonly title: ReactNode;
  /** One line under the title. */
  readonly children?: ReactNode;
  /** Buttons on the right. */
  readonly actions?: ReactNode;
  /** The title of the browser tab; defaults to the title when that is text. */
  readonly documentTitle?: string;
}

/** The top of a screen with its only h1, which takes the focus after a navigation. */
export function PageHeader({ title, children, actions, documentTitle }: PageHeaderProps) {
  const name = documentTitle ?? (typeof title === "string" ? title : undefined);
  return (
    <div className={classes.header}>
      {name !== undefined && <title>{`${name} · Data Ingestor`}</title>}
      <div className={classes.text}>
        <h1>{title}</h1>
        {children !== undefined && <div className={classes.lead}>{children}</div>}
      </div>
      {actions !== undefined && <div className={classes.actions}>{actions}</div>}
    </div>
  );
}
