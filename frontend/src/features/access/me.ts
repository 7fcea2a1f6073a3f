/** The query about who the caller is: apart from queries.ts, because every screen needs it. */
import { queryOptions } from "@tanstack/react-query";
import { accessClient } from "@/api/clients";
import { currentSession, setSession } from "@/api/session";

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
    queryFn: async ({ signal }) => {
      const me = await accessClient.getAccess({}, { signal });
      const { signIn, tenant } = currentSession();
      // Stays in this tenant even if the person becomes a member of a second one.
      if (signIn !== null && tenant === "") setSession({ tenant: me.tenant });
      return me;
    },
    // Roles change rarely; a service refuses what is no longer allowed.
    staleTime: 60_000,
  });
}
