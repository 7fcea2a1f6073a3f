import type { RowError } from "@/api/errors";
import { formatTime } from "@/lib/format";
import { formatAmount, quotaLook } from "@/lib/quotas";

/** With an error because of a quota: which one, its limit, and until when it is used up. Else nothing. */
export function QuotaFacts({ problem }: { readonly problem: Pick<RowError, "reason" | "metadata"> }) {
  const { quota = "", limit = "", used = "", reset_time: reset = "" } = problem.metadata;
  if (problem.reason !== "QUOTA_EXCEEDED" || quota === "") return null;
  const amount = (text: string) => (/^\d+$/.test(text) ? formatAmount(quota, BigInt(text)) : "");
  const until = new Date(reset);
  const parts = [
    amount(used) !== "" && amount(limit) !== "" ? `${amount(used)} of ${amount(limit)} used` : "",
    Number.isNaN(until.getTime()) ? "" : `starts again at ${formatTime(until)}`,
  ].filter((part) => part !== "");
  return (
    <span>
      <strong>{quotaLook(quota).label}</strong>
      {parts.length > 0 && `: ${parts.join(", ")}`}.
    </span>
  );
}
