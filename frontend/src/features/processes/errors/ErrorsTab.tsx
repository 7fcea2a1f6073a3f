import { IconCircleCheck } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ErrorGroup, Process } from "@/api/contract";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { formatCount, formatShare } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import type { useErrorGroups } from "../use-process";
import { codeWords } from "./codes";
import classes from "./Errors.module.css";

interface ErrorsTabProps {
  readonly process: Process;
  readonly groups: ReturnType<typeof useErrorGroups>;
}

/** Errors by code and field, most frequent first; each links to its rows. */
export function ErrorsTab({ process, groups }: ErrorsTabProps) {
  if (groups.isError) return <ErrorState error={groups.error} onRetry={() => void groups.refetch()} />;
  if (groups.isPending) return <LoadingState label="Loading errors" />;
  if (groups.data.length === 0) {
    return (
      <EmptyState icon={IconCircleCheck} title="No errors">
        {toNumber(process.counts?.read) === 0 ? "No rows were read." : "No rows were rejected or skipped."}
      </EmptyState>
    );
  }
  const all = groups.data.reduce((sum, { count }) => sum + toNumber(count), 0);
  const most = toNumber(groups.data[0]?.count);
  return (
    <ul className={classes.groups} aria-label="Errors by kind">
      {groups.data.map((group) => (
        <Group
          key={`${group.code} ${group.field}`}
          group={group}
          all={all}
          most={most}
          processId={process.info?.processId ?? ""}
        />
      ))}
    </ul>
  );
}

interface GroupProps {
  readonly group: ErrorGroup;
  readonly all: number;
  readonly most: number;
  readonly processId: string;
}

function Group({ group, all, most, processId }: GroupProps) {
  const count = toNumber(group.count);
  return (
    <li className={classes.group}>
      <div className={classes.text}>
        <p className={classes.title}>
          <Link
            to="/processes/$processId"
            params={{ processId }}
            search={{ tab: "rows", code: group.code, field: group.field }}
            className={classes.link}
            resetScroll={false}
          >
            {codeWords(group.code)}
          </Link>{" "}
          {group.field === "" ? (
            <span className="muted">in the whole row</span>
          ) : (
            <>
              <span className="muted">in</span> <strong className={classes.field}>{group.field}</strong>
            </>
          )}
        </p>
        <p className={classes.example}>{group.exampleMessage}</p>
        <p className={classes.code}>
          {group.code} · first in row {formatCount(group.firstRow)}
        </p>
      </div>
      <div className={classes.amount}>
        <p>
          <strong>{formatCount(count)}</strong> <span className="muted">{formatShare(count, all)}</span>
        </p>
        <div className={classes.bar} aria-hidden>
          <div style={{ width: `${(100 * count) / Math.max(most, 1)}%` }} />
        </div>
      </div>
    </li>
  );
}
