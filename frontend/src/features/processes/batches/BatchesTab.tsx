import { Button } from "@mantine/core";
import { IconBoxOff } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { type Batch, BatchState, type Process } from "@/api/contract";
import table from "@/components/DataTable.module.css";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { formatBytes, formatClock, formatCount, formatDuration } from "@/lib/format";
import { toDate, toNumber } from "@/lib/proto";
import { batchesQuery } from "../queries";
import { useRefetchOnChange } from "../use-refetch";
import classes from "./Batches.module.css";

/** The batches by number: their rows and their outcome. */
export function BatchesTab({ process }: { readonly process: Process }) {
  const processId = process.info?.processId ?? "";
  const batches = useInfiniteQuery(batchesQuery(processId));
  useRefetchOnChange(
    batchesQuery(processId).queryKey,
    `${process.batchesDispatched} ${process.batchesProcessed}`,
  );
  if (batches.isError) return <ErrorState error={batches.error} onRetry={() => void batches.refetch()} />;
  if (batches.isPending) return <LoadingState label="Loading batches" />;
  const all = batches.data.pages.flatMap((page) => page.batches);
  if (all.length === 0) {
    return (
      <EmptyState icon={IconBoxOff} title="No batches">
        No part of the file was sent to the queue.
      </EmptyState>
    );
  }
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section className={table.scroll} tabIndex={0} aria-label="Batches">
        <table className={table.table}>
          <thead>
            <tr>
              {["Batch", "Rows", "First line", "Size", "Loaded", "Failed", "Skipped", "Sent", "Duration"].map(
                (label) => (
                  <th key={label} scope="col" className={table.number}>
                    {label}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {all.map((batch) => (
              <Line key={String(batch.range?.batchNumber)} batch={batch} />
            ))}
          </tbody>
        </table>
      </section>
      {batches.hasNextPage && (
        <div className={classes.more}>
          <Button
            variant="default"
            loading={batches.isFetchingNextPage}
            onClick={() => void batches.fetchNextPage()}
          >
            Show more
          </Button>
        </div>
      )}
    </>
  );
}

function Line({ batch }: { readonly batch: Batch }) {
  const { range, counts } = batch;
  const first = toNumber(range?.firstRow);
  const sent = toDate(batch.dispatchTime);
  const done = toDate(batch.processTime);
  const processed = batch.state === BatchState.PROCESSED;
  return (
    <tr>
      <td className={table.number}>{formatCount(range?.batchNumber ?? 0n)}</td>
      <td className={table.number}>
        {formatCount(first)} – {formatCount(first + toNumber(range?.rowCount) - 1)}
      </td>
      <td className={table.number}>{formatCount(range?.firstLine ?? 0n)}</td>
      <td className={table.number}>{formatBytes((range?.byteEnd ?? 0n) - (range?.byteStart ?? 0n))}</td>
      <td className={table.number}>{processed ? formatCount(counts?.succeeded ?? 0n) : "–"}</td>
      <td className={`${table.number} ${toNumber(counts?.failed) > 0 ? classes.failed : ""}`}>
        {processed ? formatCount(counts?.failed ?? 0n) : "–"}
      </td>
      <td className={table.number}>{processed ? formatCount(counts?.skipped ?? 0n) : "–"}</td>
      <td className={table.number}>{sent ? formatClock(sent) : "–"}</td>
      <td className={table.number}>
        {done && sent ? formatDuration(done.getTime() - sent.getTime()) : "in the queue"}
      </td>
    </tr>
  );
}
