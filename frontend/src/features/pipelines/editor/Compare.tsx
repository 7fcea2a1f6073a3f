import { useQuery } from "@tanstack/react-query";
import type { Pipeline } from "@/api/contract";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { Panel } from "@/components/Panel";
import { diffLines } from "../document/compare";
import { pretty } from "../document/document";
import { pipelineQuery } from "../queries";
import classes from "./Editor.module.css";

/** Unsaved changes since the edited version, or else what that version changed. */
export function Compare({
  stored,
  text,
  dirty,
}: {
  readonly stored: Pipeline;
  readonly text: string;
  readonly dirty: boolean;
}) {
  const before = dirty ? stored.version : stored.version - 1;
  const query = useQuery({ ...pipelineQuery(stored.name, before), enabled: before > 0 });
  if (before === 0) return <Panel title="Changes">This is the first version.</Panel>;
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <LoadingState />;
  const lines = diffLines(pretty(query.data.documentJson), text);
  return (
    <Panel
      title={
        dirty
          ? `Unsaved changes to version ${before}`
          : `Version ${stored.version} compared with version ${before}`
      }
      flush
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section className={classes.diff} tabIndex={0} aria-label="Changed lines">
        {lines.map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines of a text have no names and do not move.
          <div key={index} data-kind={line.kind}>
            {line.kind !== "same" && <span className="visually-hidden">{line.kind}: </span>}
            {line.text}
          </div>
        ))}
      </section>
    </Panel>
  );
}
