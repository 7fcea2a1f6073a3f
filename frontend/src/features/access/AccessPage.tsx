import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { AccessService } from "@/api/contract";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import type { AccessSearch } from "@/lib/search";
import classes from "./AccessPage.module.css";
import { accessQuery } from "./me";
import { QuotasPanel } from "./quotas/QuotasPanel";
import { roleLabel } from "./roles/roles";
import { useMayAll } from "./use-access";

const KeysPanel = lazy(() => import("./keys/KeysPanel").then(({ KeysPanel }) => ({ default: KeysPanel })));
const MembersPanel = lazy(() =>
  import("./members/MembersPanel").then(({ MembersPanel }) => ({ default: MembersPanel })),
);
const AuditPanel = lazy(() =>
  import("./audit/AuditPanel").then(({ AuditPanel }) => ({ default: AuditPanel })),
);
const TenantsPanel = lazy(() =>
  import("./quotas/TenantsPanel").then(({ TenantsPanel }) => ({ default: TenantsPanel })),
);
const RolesPanel = lazy(() =>
  import("./roles/RolesPanel").then(({ RolesPanel }) => ({ default: RolesPanel })),
);

const { listKeys, listMembers, listAuditRecords, getQuotas, listTenants } = AccessService.method;

/** Each tab, and the method without which it would show nothing. */
const TABS = [
  { tab: "keys", label: "API keys", method: listKeys },
  { tab: "members", label: "Members", method: listMembers },
  { tab: "audit", label: "Audit log", method: listAuditRecords },
  { tab: "quotas", label: "Quotas", method: getQuotas },
  { tab: "tenants", label: "Tenants", method: listTenants },
  { tab: "roles", label: "Roles", method: null },
] as const;

/** Who may do what: keys, members, the audit log, quotas, and what the roles mean. */
export function AccessPage() {
  const search = useSearch({ from: "/access" });
  const navigate = useNavigate({ from: "/access" });
  const may = useMayAll();
  const tabs = TABS.filter(({ method }) => method === null || may(method));
  const tab = tabs.find((one) => one.tab === search.tab)?.tab ?? tabs[0]?.tab ?? "roles";
  return (
    <>
      <PageHeader title="Access">
        <Me />
      </PageHeader>
      <Tabs
        value={tab}
        onChange={(next) => void navigate({ search: { tab: next as AccessSearch["tab"] } })}
        keepMounted={false}
        className={classes.tabs}
      >
        <Tabs.List className={classes.list}>
          {tabs.map(({ tab: value, label }) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <div className={classes.panel}>
          <Suspense fallback={<LoadingState />}>
            <Tabs.Panel value="keys">
              <KeysPanel />
            </Tabs.Panel>
            <Tabs.Panel value="members">
              <MembersPanel />
            </Tabs.Panel>
            <Tabs.Panel value="audit">
              <AuditPanel
                search={search}
                onSearch={(next) => void navigate({ search: { ...next, tab: "audit" }, replace: true })}
              />
            </Tabs.Panel>
            <Tabs.Panel value="quotas">
              <QuotasPanel />
            </Tabs.Panel>
            <Tabs.Panel value="tenants">
              <TenantsPanel />
            </Tabs.Panel>
            <Tabs.Panel value="roles">
              <RolesPanel />
            </Tabs.Panel>
          </Suspense>
        </div>
      </Tabs>
    </>
  );
}

/** "Ada, admin in acme". */
function Me() {
  const { data } = useQuery(accessQuery());
  if (data === undefined) return "Who may do what.";
  const roles = data.roles.map(roleLabel).join(", ") || "no role";
  return `You are ${data.displayName || data.subject}: ${roles} in ${data.tenant}.`;
}
