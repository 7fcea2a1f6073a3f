import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { factsOf, reasonOf } from "@/api/errors";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { accessQuery } from "../me";
import { chooseTenant } from "../tenant";
import { useSession } from "../use-access";
import classes from "./Account.module.css";

/** The screens, once it is known what the person may do; before that, the choice of a tenant if there are several. */
export function Entry({ children }: { readonly children: ReactNode }) {
  const { signIn, tenant } = useSession();
  const access = useQuery({ ...accessQuery(), enabled: signIn !== null });
  const reason = access.isError ? reasonOf(access.error) : "";
  useRolesAsTheyAre();
  // The tenant of the last time may be another person's, or gone.
  const stale = reason === "NOT_A_MEMBER" && tenant !== "";
  useEffect(() => {
    if (stale) chooseTenant("");
  }, [stale]);
  if (signIn === null || access.data !== undefined) return children;
  if (access.isPending || stale) return <LoadingState label="Loading what you may do" />;
  if (reason === "TENANT_NOT_CHOSEN") {
    return <TenantChoice tenants={(factsOf(access.error).tenants ?? "").split(",")} />;
  }
  return <ErrorState error={access.error} onRetry={() => void access.refetch()} />;
}

/** When a call is refused for want of a role, asks again what the person may do: an admin has changed it. */
function useRolesAsTheyAre(): void {
  const queryClient = useQueryClient();
  useEffect(() => {
    const onError = (error: unknown) => {
      if (reasonOf(error) !== "ROLE_MISSING") return;
      void queryClient.invalidateQueries({ queryKey: accessQuery().queryKey });
    };
    const stops = [
      queryClient.getQueryCache().subscribe((event) => {
        if (event.type === "updated" && event.action.type === "error") onError(event.action.error);
      }),
      queryClient.getMutationCache().subscribe((event) => {
        if (event.type === "updated" && event.action.type === "error") onError(event.action.error);
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [queryClient]);
}

function TenantChoice({ tenants }: { readonly tenants: readonly string[] }) {
  return (
    <>
      <PageHeader title="Choose a tenant">You are a member of several. You can change it later.</PageHeader>
      <div className={classes.choices}>
        {tenants.map((name) => (
          <Button key={name} variant="default" onClick={() => chooseTenant(name)}>
            {name}
          </Button>
        ))}
      </div>
    </>
  );
}
