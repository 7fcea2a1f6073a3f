import { Panel } from "@/components/Panel";
import { formatCount, plural } from "@/lib/format";
import { DraftFields } from "./map/DraftFields";
import { FieldMatches } from "./map/FieldMatches";
import { JSON_ROWS, NEW, NONE } from "./map/plan";
import type { Plan } from "./map/use-plan";

/** The columns of the file, and the fields that they become or are matched to. */
export function Columns({ plan }: { readonly plan: Plan }) {
  const columns = plan.inspection.data?.columns ?? [];
  if (plan.target === JSON_ROWS || plan.target === NONE) return null;
  if (plan.target === NEW) {
    if (plan.draft === null || plan.original === null) return null;
    const count = plan.draft.schema.fields.length;
    return (
      <Panel
        title="Columns"
        aside={`${formatCount(count)} of ${plural(columns.length, "column")} loaded`}
        flush
      >
        <DraftFields
          columns={columns}
          original={plan.original}
          draft={plan.draft}
          onChange={plan.setDraft}
          violations={plan.violations}
          readings={plan.dryRun.data?.readings ?? []}
          stale={plan.running}
        />
      </Panel>
    );
  }
  if (plan.chosen === null) return null;
  return (
    <Panel
      title="Columns"
      aside={plan.unread.length > 0 ? `${plural(plan.unread.length, "column")} not loaded` : undefined}
      flush
    >
      <FieldMatches
        document={plan.chosen}
        mapped={plan.mapped ?? plan.chosen}
        columns={columns}
        matches={plan.matches}
        onMatch={plan.mayWrite ? plan.match : null}
        onEdit={plan.edit}
      />
    </Panel>
  );
}
