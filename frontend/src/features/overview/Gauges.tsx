import { Progress } from "@mantine/core";
import type { GetQueuesResponse, GetStorageResponse } from "@/api/contract";
import { formatBytes, formatCount, formatShare } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import classes from "./OverviewPage.module.css";

/** Free space below which the figure is highlighted. */
const LITTLE_BYTES = 5 * 1024 ** 3;

/** What is stored, and how much space is left. */
export function StoragePanel({ storage }: { readonly storage: GetStorageResponse }) {
  const used = toNumber(storage.storedBytes);
  const free = storage.freeBytes === undefined ? null : toNumber(storage.freeBytes);
  return (
    <>
      <dl className={classes.facts}>
        <div>
          <dt>Files stored</dt>
          <dd>{formatCount(storage.fileCount)}</dd>
        </div>
        <div>
          <dt>Total size</dt>
          <dd>{formatBytes(used)}</dd>
        </div>
        <div>
          <dt>Space left ({storage.store === "s3" ? "S3" : storage.store})</dt>
          <dd className={free !== null && free < LITTLE_BYTES ? classes.warn : undefined}>
            {free === null ? "no limit" : formatBytes(free)}
          </dd>
        </div>
      </dl>
      {free !== null && (
        <Progress
          mt="md"
          size="sm"
          value={(100 * used) / Math.max(used + free, 1)}
          aria-label={`Files take up ${formatShare(used, used + free)} of the space available`}
        />
      )}
    </>
  );
}

/** Batches in the queues. */
export function QueuesPanel({ queues }: { readonly queues: GetQueuesResponse }) {
  const dead = toNumber(queues.deadLetters?.visible) + toNumber(queues.deadLetters?.inFlight);
  return (
    <dl className={classes.facts}>
      <div>
        <dt>Batches waiting</dt>
        <dd>{formatCount(queues.rows?.visible ?? 0n)}</dd>
      </div>
      <div>
        <dt>Batches loading</dt>
        <dd>{formatCount(queues.rows?.inFlight ?? 0n)}</dd>
      </div>
      <div>
        <dt>Dead letters</dt>
        <dd className={dead > 0 ? classes.warn : undefined}>{formatCount(dead)}</dd>
      </div>
    </dl>
  );
}
