/** Queries about keys, members, quotas and the audit log; who the caller is: me.ts. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { accessClient } from "@/api/clients";
import type { AccessSearch } from "@/lib/search";
import { auditFilter } from "./audit/filter";
import { accessKeys } from "./me";

const PAGE_SIZE = 50;

/** API keys, newest first, page by page. */
export function keysQuery() {
  return infiniteQueryOptions({
    queryKey: accessKeys.keys,
    queryFn: ({ pageParam, signal }) =>
      accessClient.listKeys({ pageSize: PAGE_SIZE, pageToken: pageParam }, { signal }),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextPageToken || undefined,
  });
}

/** Members by subject, page by page. */
export function membersQuery() {
  return infiniteQueryOptions({
    queryKey: accessKeys.members,
    queryFn: ({ pageParam, signal }) =>
      accessClient.listMembers({ pageSize: PAGE_SIZE, pageToken: pageParam }, { signal }),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextPageToken || undefined,
  });
}

/** Every quota and how much of it is used. */
export function quotasQuery() {
  return queryOptions({
    queryKey: accessKeys.quotas,
    queryFn: async ({ signal }) => (await accessClient.getQuotas({}, { signal })).quotas,
  });
}

/** All tenants by name, page by page; for admins of the platform. */
export function tenantsQuery() {
  return infiniteQueryOptions({
    queryKey: accessKeys.tenants,
    queryFn: ({ pageParam, signal }) =>
      accessClient.listTenants({ pageSize: PAGE_SIZE, pageToken: pageParam }, { signal }),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextPageToken || undefined,
  });
}

/** The audit log, newest first, page by page. Reading it is audited too, so it is fetched only when asked. */
export function auditQuery(search: AccessSearch) {
  const { subject, method, object, from, until } = search;
  return infiniteQueryOptions({
    queryKey: [...accessKeys.audit, subject, method, object, from, until],
    queryFn: ({ pageParam, signal }) =>
      accessClient.listAuditRecords(
        { ...auditFilter(search), pageSize: 100, pageToken: pageParam },
        { signal },
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextPageToken || undefined,
    refetchOnWindowFocus: false,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
}
