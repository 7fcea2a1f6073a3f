import { Link } from "@tanstack/react-router";
import type { PipelineSearch } from "@/lib/search";
import classes from "./Editor.module.css";

const VIEWS = [
  { view: "form", label: "Form" },
  { view: "json", label: "JSON" },
  { view: "compare", label: "Changes" },
] as const;

/** Switches between forms, JSON, and changes since the version before. */
export function Views({ view, compare }: { readonly view: string; readonly compare: boolean }) {
  return (
    <nav className={classes.views} aria-label="View">
      {VIEWS.filter((one) => compare || one.view !== "compare").map((one) => (
        <Link
          key={one.view}
          from="/pipelines/$name"
          to="."
          search={(before: PipelineSearch) => ({ ...before, view: one.view })}
          aria-current={one.view === view ? "true" : undefined}
          activeProps={{}}
          replace
        >
          {one.label}
        </Link>
      ))}
    </nav>
  );
}
