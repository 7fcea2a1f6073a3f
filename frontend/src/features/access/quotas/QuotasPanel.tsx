import { Progress } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { Quota } from "@/api/contract";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { formatTime } from "@/lib/format";
import { toDate } from "@/lib/proto";
import { formatAmount, QUOTAS, quotaLook } from "@/lib/quotas";
import classes from "../AccessPage.module.css";
import { quotasQuery } from "../queries";

/** What the tenant may use, how much of it is used, and when it starts again. */
export function QuotasPanel() {
  const quotas = useQuery(quotasQuery());
  if (quotas.isError) return <ErrorState error={quotas.error} onRetry={() => void quotas.refetch()} />;
  if (quotas.isPending) return <LoadingState label="Loading quotas" />;
  const order = QUOTAS.map(({ name }) => name);
  const sorted = [...quotas.data].sort((a, b) => place(order, a) - place(order, b));
  return (
    <ul className={classes.quotas} aria-label="Quotas">
      {sorted.map((quota) => (
        <Line key={quota.name} quota={quota} />
      ))}
    </ul>
  );
}

function place(order: readonly string[], { name }: Quota): number {
  const at = order.indexOf(name);
  return at < 0 ? order.length : at;
}

function Line({ quota }: { readonly quota: Quota }) {
  const { name, limit, used } = quota;
  const { label, meaning } = quotaLook(name);
  const reset = toDate(quota.resetTime);
  const share = limit === undefined ? null : limit === 0n ? 1 : Number(used) / Number(limit);
  return (
    <li>
      <h3>{label}</h3>
      <p className={classes.amount}>
        {limit === undefined
          ? `${formatAmount(name, used)} used, no limit`
          : `${formatAmount(name, used)} of ${formatAmount(name, limit)} used`}
      </p>
      {share !== null && (
        <Progress
          size="sm"
          value={Math.min(100, share * 100)}
          color={share >= 1 ? "red" : undefined}
          aria-label={`${label}: ${Math.floor(Math.min(1, share) * 100)}% used`}
        />
      )}
      <p className={classes.hint}>
        {meaning}
        {reset !== null && ` Starts again from 0 at ${formatTime(reset)}.`}
        {share !== null && share >= 1 && reset === null && " Free some of it to go on."}
      </p>
    </li>
  );
}
