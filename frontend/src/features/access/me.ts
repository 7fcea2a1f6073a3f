/** The query about who the caller is: apart from queries.ts, because every screen needs it. */
import { queryOptions } from "@tanstack/react-query";
import { accessClient } from "@/api/clients";

export const accessKeys = {
  all: ["access"] as const,
  keys: ["access", "keys"] as const,
  members: ["access", "members"] as const,
  quotas: ["access", "quotas"] as const,
  tenants: ["access", "tenants"] as const,
  audit: ["access", "audit"] as const,
};

/** Who the caller is, and the methods that it may call. */
export function accessQuery() {
  return queryOptions({
    queryKey: [...accessKeys.all, "me"],
    queryFn: ({ signal }) => accessClient.getAccess({}, { signal }),
    // Roles change rarely; a service refuses what is no longer allowed.
    staleTime: 60_000,
  });
}
