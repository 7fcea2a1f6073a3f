import { Button } from "@mantine/core";
import { IconBuilding } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { AccessService, type Tenant } from "@/api/contract";
import table from "@/components/DataTable.module.css";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { TimeAgo } from "@/components/TimeAgo";
import { toDate } from "@/lib/proto";
import { formatAmount, quotaLook } from "@/lib/quotas";
import classes from "../AccessPage.module.css";
import { MoreButton } from "../MoreButton";
import { tenantsQuery } from "../queries";
import { useMay } from "../use-access";
import { SetQuotas } from "./SetQuotas";

/** Every tenant and its quotas; for admins of the platform. */
export function TenantsPanel() {
  const list = useInfiniteQuery(tenantsQuery());
  const maySet = useMay(AccessService.method.setQuotas);
  const [edited, setEdited] = useState<Tenant | null>(null);
  const tenants = list.data?.pages.flatMap((page) => page.tenants) ?? [];
  if (list.isError) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  if (list.isPending) return <LoadingState label="Loading tenants" />;
  if (tenants.length === 0) return <EmptyState icon={IconBuilding} title="No tenants yet" />;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section className={table.scroll} tabIndex={0} aria-label="Tenants">
        <table className={table.table}>
          <thead>
            <tr>
              <th scope="col">Tenant</th>
              <th scope="col">Limits</th>
              <th scope="col">Created</th>
              <th scope="col">
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {tenants.map((tenant) => {
              const created = toDate(tenant.createTime);
              return (
                <tr key={tenant.name}>
                  <td className={table.name}>{tenant.name}</td>
                  <td>{limitsOf(tenant)}</td>
                  <td>{created && <TimeAgo time={created} />}</td>
                  <td>
                    {maySet && (
                      <div className={classes.acts}>
                        <Button size="xs" variant="default" onClick={() => setEdited(tenant)}>
                          Set quotas<span className="visually-hidden"> of {tenant.name}</span>
                        </Button>
                      </div>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
      <MoreButton list={list} />
      <SetQuotas tenant={edited} onClose={() => setEdited(null)} />
    </>
  );
}

/** "Storage 10 GiB, Pipelines 20". */
function limitsOf({ quotas }: Tenant): string {
  const limits = quotas
    .filter(({ limit }) => limit !== undefined)
    .map(({ name, limit = 0n }) => `${quotaLook(name).label} ${formatAmount(name, limit)}`);
  return limits.join(", ") || "none";
}
