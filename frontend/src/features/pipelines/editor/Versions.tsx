import { Button, NativeSelect } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { TimeAgo } from "@/components/TimeAgo";
import { toDate } from "@/lib/proto";
import { versionsQuery } from "../queries";
import classes from "./Editor.module.css";

/** Selects the version to show. */
export function Versions({ name, version }: { readonly name: string; readonly version: number }) {
  const versions = useInfiniteQuery(versionsQuery(name));
  const navigate = useNavigate({ from: "/pipelines/$name" });
  const all = versions.data?.pages.flatMap((page) => page.pipelines) ?? [];
  const current = all.find((one) => one.version === version);
  const time = toDate(current?.createTime);
  return (
    <div className={classes.stepHead}>
      {time && (
        <span className="muted">
          saved <TimeAgo time={time} />
        </span>
      )}
      <NativeSelect
        size="xs"
        aria-label="Version"
        data={[
          ...(current === undefined ? [{ value: String(version), label: `Version ${version}` }] : []),
          ...all.map((one) => ({
            value: String(one.version),
            label: `Version ${one.version}${one === all[0] ? " (latest)" : ""}`,
          })),
        ]}
        value={String(version)}
        onChange={(event) => {
          const chosen = Number(event.currentTarget.value);
          void navigate({
            search: (before) => ({ ...before, version: chosen === all[0]?.version ? undefined : chosen }),
          });
        }}
      />
      {versions.hasNextPage && (
        <Button size="xs" variant="subtle" onClick={() => void versions.fetchNextPage()}>
          Older
        </Button>
      )}
    </div>
  );
}
