import { ActionIcon, NativeSelect, Tooltip } from "@mantine/core";
import { IconLogout } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { accessQuery } from "../me";
import type { OidcSignIn } from "../sign-in/oidc";
import { chooseTenant } from "../tenant";
import classes from "./Account.module.css";

/** Who has signed in, in which tenant, and the way out. */
export function Account({ signIn }: { readonly signIn: OidcSignIn }) {
  const { data } = useQuery(accessQuery());
  const router = useRouter();
  const change = async (tenant: string) => {
    // What the screen shows is of the old tenant. A screen with unsaved changes may refuse to be left; the
    // person may also have gone on to another screen meanwhile.
    let left = router.state.location.pathname === "/";
    const stop = router.history.subscribe(({ location }) => {
      left ||= location.pathname === "/";
    });
    await router.navigate({ to: "/" });
    stop();
    if (left) chooseTenant(tenant);
  };
  return (
    <section className={classes.account} aria-label="Account">
      <div className={classes.who}>
        <span className="truncate" title={data?.subject ?? signIn.subject}>
          {data?.displayName || signIn.name}
        </span>
        <Tooltip label="Sign out">
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            aria-label="Sign out"
            onClick={() => void signIn.signOut()}
          >
            <IconLogout size={18} stroke={1.75} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </div>
      {data !== undefined &&
        (data.tenants.length > 1 ? (
          <NativeSelect
            size="xs"
            aria-label="Tenant"
            data={[...data.tenants]}
            value={data.tenant}
            onChange={(event) => void change(event.currentTarget.value)}
          />
        ) : (
          <span className={`${classes.tenant} truncate`}>{data.tenant}</span>
        ))}
    </section>
  );
}
