import { Button } from "@mantine/core";
import { IconKey, IconPlus } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { accessClient } from "@/api/clients";
import { AccessService, type ApiKey } from "@/api/contract";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import table from "@/components/DataTable.module.css";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { TimeAgo } from "@/components/TimeAgo";
import { formatTime } from "@/lib/format";
import { toDate } from "@/lib/proto";
import classes from "../AccessPage.module.css";
import { MoreButton } from "../MoreButton";
import { accessKeys } from "../me";
import { keysQuery } from "../queries";
import { RoleList } from "../roles/RoleList";
import { useMay } from "../use-access";
import { CreateKey } from "./CreateKey";
import { keyState } from "./expiry";

/** The tenant's API keys: create and revoke them. */
export function KeysPanel() {
  const list = useInfiniteQuery(keysQuery());
  const mayCreate = useMay(AccessService.method.createKey);
  const [creating, setCreating] = useState(false);
  const [revoked, setRevoked] = useState<ApiKey | null>(null);
  const keys = list.data?.pages.flatMap((page) => page.keys) ?? [];
  return (
    <>
      <div className={classes.bar}>
        <p>
          Programs call the suite with a key instead of a person's sign-in. A key is shown once, when it is
          created; only its start is stored in the clear.
        </p>
        {mayCreate && (
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
            New key
          </Button>
        )}
      </div>
      {list.isError ? (
        <ErrorState error={list.error} onRetry={() => void list.refetch()} />
      ) : list.isPending ? (
        <LoadingState label="Loading keys" />
      ) : keys.length === 0 ? (
        <EmptyState icon={IconKey} title="No keys yet">
          Create one for each program, so that each can be revoked alone.
        </EmptyState>
      ) : (
        <>
          <KeyTable keys={keys} onRevoke={setRevoked} />
          <MoreButton list={list} />
        </>
      )}
      <CreateKey opened={creating} onClose={() => setCreating(false)} />
      <RevokeKey apiKey={revoked} onClose={() => setRevoked(null)} />
    </>
  );
}

interface KeyTableProps {
  readonly keys: readonly ApiKey[];
  readonly onRevoke: (key: ApiKey) => void;
}

function KeyTable({ keys, onRevoke }: KeyTableProps) {
  const mayRevoke = useMay(AccessService.method.revokeKey);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section className={table.scroll} tabIndex={0} aria-label="API keys">
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Roles</th>
            <th scope="col">Pipelines</th>
            <th scope="col">Created</th>
            <th scope="col">Last used</th>
            <th scope="col">Ends</th>
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => {
            const state = keyState(key);
            const [created, used] = [toDate(key.createTime), toDate(key.lastUseTime)];
            return (
              <tr key={key.prefix} className={state === "active" ? undefined : classes.gone}>
                <td>
                  <div className={table.name}>{key.name}</div>
                  <code className={table.sub}>{key.prefix}…</code>
                </td>
                <td>
                  <RoleList roles={key.roles} />
                </td>
                <td>{key.pipelines.length === 0 ? "all" : key.pipelines.join(", ")}</td>
                <td>
                  {created && <TimeAgo time={created} />}
                  <div className={table.sub}>by {key.creator}</div>
                </td>
                <td>{used ? <TimeAgo time={used} /> : "never"}</td>
                <td>
                  <Ends apiKey={key} />
                </td>
                <td>
                  {mayRevoke && state === "active" && (
                    <div className={classes.acts}>
                      <Button size="xs" variant="default" onClick={() => onRevoke(key)}>
                        Revoke<span className="visually-hidden"> {key.name}</span>
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
  );
}

function Ends({ apiKey }: { readonly apiKey: ApiKey }) {
  const state = keyState(apiKey);
  const [end, revoked] = [toDate(apiKey.expireTime), toDate(apiKey.revokeTime)];
  if (state === "revoked") return <>revoked {revoked && <TimeAgo time={revoked} />}</>;
  if (state === "expired") return <>expired {end && <TimeAgo time={end} />}</>;
  return end ? formatTime(end) : "never";
}

interface RevokeKeyProps {
  readonly apiKey: ApiKey | null;
  readonly onClose: () => void;
}

function RevokeKey({ apiKey, onClose }: RevokeKeyProps) {
  const queryClient = useQueryClient();
  // Keeps the text while the dialog fades out.
  const [shown, setShown] = useState(apiKey);
  if (apiKey !== null && apiKey !== shown) setShown(apiKey);
  const revoke = useMutation({
    mutationFn: (prefix: string) => accessClient.revokeKey({ prefix }),
    onSuccess: async () => {
      await queryClient.invalidateQueries({ queryKey: accessKeys.keys });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      opened={apiKey !== null}
      title={`Revoke ${shown?.name}?`}
      permanent="a revoked key cannot be used again. Create another one instead."
      confirm="Revoke key"
      dangerous
      busy={revoke.isPending}
      error={revoke.error}
      onConfirm={() => apiKey && revoke.mutate(apiKey.prefix)}
      onClose={() => {
        revoke.reset();
        onClose();
      }}
    >
      <p>
        Programs that use <code>{shown?.prefix}…</code> are refused within ten seconds.
      </p>
    </ConfirmDialog>
  );
}
