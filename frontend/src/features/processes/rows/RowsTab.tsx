import { Button, NativeSelect } from "@mantine/core";
import { IconFilterOff, IconRefresh, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { processorClient, statusClient } from "@/api/clients";
import { backoff } from "@/api/connection";
import type { Process } from "@/api/contract";
import { pause } from "@/api/use-server-stream";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { pipelineQuery } from "@/features/pipelines/queries";
import { formatCount, plural } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import type { ProcessSearch } from "@/lib/search";
import { codeWords } from "../errors/codes";
import { ROW_STATES, rowsFilter } from "../filters";
import { mappingOf } from "../grid/columns";
import { RowGrid } from "../grid/RowGrid";
import { type FetchRows, FilteredRows, NumberedRows, patient, type RowSource } from "../grid/source";
import { fillFrom, type ReadLoaded } from "../loaded/cells";
import { JumpForm } from "./JumpForm";
import classes from "./Rows.module.css";

const RowDrawer = lazy(() => import("./RowDrawer").then(({ RowDrawer }) => ({ default: RowDrawer })));

interface RowsTabProps {
  readonly process: Process;
  readonly search: ProcessSearch;
  readonly onSearch: (search: ProcessSearch) => void;
}

const LABELS: Readonly<Record<(typeof ROW_STATES)[number], string>> = {
  FAILED: "Failed",
  SKIPPED: "Skipped",
  SUCCEEDED: "Succeeded",
  UNPROCESSED: "Unprocessed",
  QUEUED: "In the queue",
};

/** The rows of a process: all of them, or those that match a filter. */
export function RowsTab({ process, search, onSearch }: RowsTabProps) {
  const filter = rowsFilter(search);
  const at = search.at ?? null;
  const counts = countsOf(process);
  const [refreshed, setRefreshed] = useState(0);
  const [jump, setJump] = useState(0);
  const [unreadable, setUnreadable] = useState("");
  const source = useSource(process, filter, filter === "" ? null : at, refreshed, setUnreadable);
  const { length, more, error } = useSourceState(source);
  const mapping = useMapping(process);
  // The counts when the filtered rows were fetched; a filtered list does not update by itself.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the counts at that moment are needed.
  const seen = useMemo(() => ({ source, counts }), [source]);
  const stale = filter !== "" && seen.counts !== counts;
  const start = at === null ? null : (source.placeOf(at) ?? null);
  return (
    <>
      <div className={classes.tools}>
        <FilterTools search={search} onSearch={onSearch} />
        <p className={classes.count} role="status">
          {countWords(length, more, filter === "" ? null : at)}
        </p>
        {filter !== "" && at !== null && (
          <Button size="compact-sm" variant="subtle" onClick={() => onSearch({ ...search, at: undefined })}>
            Back to start
          </Button>
        )}
        {stale && (
          <Button
            size="compact-sm"
            variant="light"
            leftSection={<IconRefresh size={14} aria-hidden />}
            onClick={() => setRefreshed((count) => count + 1)}
          >
            Refresh changed rows
          </Button>
        )}
        <JumpForm
          process={process}
          onJump={(row) => {
            setJump((count) => count + 1);
            onSearch({ ...search, at: row });
          }}
        />
      </div>
      {error !== null && error !== undefined ? (
        <ErrorState error={error} onRetry={() => source.retry()} />
      ) : length === 0 && more ? (
        <LoadingState lines={8} label="Loading rows" />
      ) : length === 0 ? (
        <NoRows filtered={filter !== ""} onShowAll={() => onSearch({ tab: "rows" })} />
      ) : (
        <>
          <RowGrid
            source={source}
            columns={process.columns}
            mapping={mapping}
            start={start}
            jump={jump}
            onOpen={(row) => onSearch({ ...search, row })}
          />
          <p className={classes.note}>
            {unreadable !== ""
              ? `The values of loaded rows are not shown. ${unreadable}`
              : "The values of loaded rows are read from the table, as they are now."}{" "}
            Move with the arrow keys; press Enter to open a row.
          </p>
        </>
      )}
      <Suspense>
        <RowDrawer
          process={process}
          mapping={mapping}
          rowNumber={search.row ?? null}
          last={toNumber(process.counts?.read)}
          onGo={(row) => onSearch({ ...search, row })}
          onClose={() => onSearch({ ...search, row: undefined })}
        />
      </Suspense>
    </>
  );
}

function countWords(length: number, more: boolean, from: number | null): string {
  const words = more ? `${formatCount(length)}+ rows` : plural(length, "row");
  return from === null ? words : `${words}, starting at row ${formatCount(from)}`;
}

interface FilterToolsProps {
  readonly search: ProcessSearch;
  readonly onSearch: (search: ProcessSearch) => void;
}

function FilterTools({ search, onSearch }: FilterToolsProps) {
  return (
    <>
      <NativeSelect
        aria-label="Row state"
        size="sm"
        value={ROW_STATES.find((word) => word === search.state) ?? ""}
        onChange={(event) =>
          onSearch({ ...search, state: event.currentTarget.value || undefined, at: undefined })
        }
        data={[
          { value: "", label: "All states" },
          ...ROW_STATES.map((word) => ({ value: word, label: LABELS[word] })),
        ]}
      />
      {search.code !== undefined && (
        <Pill
          label={codeWords(search.code)}
          onRemove={() => onSearch({ ...search, code: undefined, at: undefined })}
        />
      )}
      {search.field !== undefined && (
        <Pill
          label={search.field === "" ? "whole row" : `in ${search.field}`}
          onRemove={() => onSearch({ ...search, field: undefined, at: undefined })}
        />
      )}
    </>
  );
}

function NoRows({ filtered, onShowAll }: { readonly filtered: boolean; readonly onShowAll: () => void }) {
  if (!filtered) {
    return (
      <EmptyState icon={IconFilterOff} title="No rows">
        No rows have been read yet.
      </EmptyState>
    );
  }
  return (
    <EmptyState
      icon={IconFilterOff}
      title="No matching rows"
      action={
        <Button variant="default" onClick={onShowAll}>
          Show all rows
        </Button>
      }
    >
      No row matches this state and these errors.
    </EmptyState>
  );
}

function Pill({ label, onRemove }: { readonly label: string; readonly onRemove: () => void }) {
  return (
    <span className={classes.pill}>
      {label}
      <button type="button" aria-label={`Remove filter: ${label}`} onClick={onRemove}>
        <IconX size={13} aria-hidden />
      </button>
    </span>
  );
}

function countsOf(process: Process): string {
  const { counts } = process;
  return `${counts?.succeeded} ${counts?.failed} ${counts?.skipped} ${counts?.unprocessed} ${process.state}`;
}

/** The source for a filter: all rows can be reached by number; filtered ones are fetched page by page. */
function useSource(
  process: Process,
  filter: string,
  from: number | null,
  refreshed: number,
  onUnreadable: (why: string) => void,
): RowSource {
  const processId = process.info?.processId ?? "";
  const columns = process.columns.join("\n");
  // biome-ignore lint/correctness/useExhaustiveDependencies: `refreshed` requests the rows again, and `columns` are the process's.
  const source = useMemo(() => {
    const wait = (attempt: number, signal: AbortSignal) => pause(backoff(attempt), signal);
    const fetchRows: FetchRows = patient(
      (request, signal) => statusClient.listRows({ processId, ...request }, { signal }),
      wait,
    );
    const read: ReadLoaded = patient(
      ({ first, last }, signal) =>
        processorClient.listLoadedRows(
          { processId, firstRow: BigInt(first), lastRow: BigInt(last) },
          { signal },
        ),
      wait,
    );
    const fill = fillFrom(read, process.columns, onUnreadable);
    if (filter === "") return new NumberedRows(fetchRows, fill);
    return new FilteredRows(fetchRows, from === null ? filter : `${filter} AND row>=${from}`, fill);
  }, [processId, columns, filter, from, refreshed]);
  const read = toNumber(process.counts?.read);
  const counts = countsOf(process);
  useEffect(() => {
    if (source instanceof NumberedRows) source.update(read, counts);
    else source.want(0, 0);
  }, [source, read, counts]);
  useEffect(() => () => source.close(), [source]);
  return source;
}

/** What the screen shows about the list. */
function useSourceState(source: RowSource) {
  useSyncExternalStore(source.subscribe, () => source.version);
  return { length: source.length, more: source.more, error: source.error };
}

/** Maps the pipeline's fields to the file's columns. */
function useMapping(process: Process): ReadonlyMap<string, string> {
  const name = process.info?.pipeline ?? "";
  const pipeline = useQuery({
    ...pipelineQuery(name, process.info?.pipelineVersion ?? 0),
    enabled: name !== "",
    staleTime: Number.POSITIVE_INFINITY,
  });
  const json = pipeline.data?.documentJson ?? "";
  return useMemo(() => mappingOf(json), [json]);
}
