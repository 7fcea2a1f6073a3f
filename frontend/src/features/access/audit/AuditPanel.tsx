import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconFilterOff, IconHistory } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import type { AccessSearch } from "@/lib/search";
import classes from "../AccessPage.module.css";
import { auditQuery } from "../queries";
import { inWords, methodNames } from "../roles/roles";
import { AuditTable } from "./AuditTable";
import { DownloadAudit } from "./DownloadAudit";

interface AuditPanelProps {
  readonly search: AccessSearch;
  readonly onSearch: (search: AccessSearch) => void;
}

const METHODS = [
  { value: "", label: "All calls" },
  ...methodNames()
    .map((value) => ({ value, label: inWords(value) }))
    .sort((a, b) => a.label.localeCompare(b.label)),
];

/** Who did what, newest first; the address holds the filter. */
export function AuditPanel({ search, onSearch }: AuditPanelProps) {
  const list = useInfiniteQuery(auditQuery(search));
  const records = list.data?.pages.flatMap((page) => page.records) ?? [];
  // Of a link: what the command line did, or a method that this page does not know.
  const unknown = METHODS.some(({ value }) => value === (search.method ?? "")) ? undefined : search.method;
  const { tab: _, ...filter } = search;
  const filtered = Object.values(filter).some((value) => value !== undefined);
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: not every screen reader knows <search> yet. */}
      <div role="search" aria-label="Audit log" className={classes.bar}>
        <div className={`${classes.two} ${classes.grow}`}>
          <Filter
            label="Person or key"
            value={search.subject}
            onChange={(subject) => onSearch({ ...search, subject })}
          />
          <NativeSelect
            size="xs"
            label="Call"
            data={unknown ? [...METHODS, { value: unknown, label: inWords(unknown) }] : METHODS}
            value={search.method ?? ""}
            onChange={(event) => onSearch({ ...search, method: event.currentTarget.value || undefined })}
          />
          <Filter
            label="Object"
            value={search.object}
            onChange={(object) => onSearch({ ...search, object })}
          />
          <Day label="From" value={search.from} onChange={(from) => onSearch({ ...search, from })} />
          <Day label="Until" value={search.until} onChange={(until) => onSearch({ ...search, until })} />
        </div>
        <div className={classes.buttons}>
          <Button size="xs" variant="default" loading={list.isRefetching} onClick={() => void list.refetch()}>
            Reload
          </Button>
          <DownloadAudit search={search} />
        </div>
      </div>
      {list.isError ? (
        <ErrorState error={list.error} onRetry={() => void list.refetch()} />
      ) : list.isPending ? (
        <LoadingState label="Loading the audit log" />
      ) : records.length > 0 ? (
        <AuditTable
          records={records}
          more={list.hasNextPage}
          onMore={() => {
            if (!list.isFetching) void list.fetchNextPage();
          }}
        />
      ) : filtered ? (
        <EmptyState
          icon={IconFilterOff}
          title="No matching records"
          action={
            <Button variant="default" onClick={() => onSearch({})}>
              Clear filters
            </Button>
          }
        />
      ) : (
        <EmptyState icon={IconHistory} title="Nothing yet">
          Every change and every download of rows is recorded here.
        </EmptyState>
      )}
    </>
  );
}

interface FilterProps {
  readonly label: string;
  readonly value: string | undefined;
  readonly onChange: (value: string | undefined) => void;
}

/** Text that must match as a whole; applied a moment after the last change. */
function Filter({ label, value = "", onChange }: FilterProps) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const apply = useDebouncedCallback((next: string) => onChange(next.trim() || undefined), 400);
  return (
    <TextInput
      size="xs"
      label={label}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        apply(event.currentTarget.value);
      }}
    />
  );
}

function Day({ label, value = "", onChange }: FilterProps) {
  return (
    <TextInput
      type="date"
      size="xs"
      label={label}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value || undefined)}
    />
  );
}
