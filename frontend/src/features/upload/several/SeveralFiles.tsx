import { Button } from "@mantine/core";
import { useState } from "react";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { LinkButton } from "@/components/LinkButton";
import { plural } from "@/lib/format";
import { listed } from "../choice/not-loaded";
import { uploadActions, useUploads } from "../use-uploads";
import classes from "./SeveralFiles.module.css";
import { groups } from "./same-columns";
import { useSentFiles } from "./use-sent-files";

/** Files with the same columns, which need one mapping. */
export function SameColumns() {
  const files = useSentFiles("");
  return groups(files).map((keys) => {
    const group = files.filter(({ key }) => keys.includes(key));
    const first = group[0];
    return (
      first && (
        <div key={first.key} className={classes.group}>
          <span>
            {listed(
              group.map(({ fileName }) => fileName),
              4,
            )}{" "}
            have the same columns.
          </span>
          <LinkButton size="xs" to="/upload/$uploadId" params={{ uploadId: first.uploadId }}>
            Map these {group.length} files once
          </LinkButton>
        </div>
      )
    );
  });
}

/** Discards every upload of this page that has not been started. */
export function DiscardAll() {
  const { uploads } = useUploads();
  const [asking, setAsking] = useState(false);
  const open = uploads.filter(
    ({ phase }) => !["completed", "completing", "cancelled", "refused"].includes(phase),
  );
  if (open.length < 2) return null;
  return (
    <>
      <Button size="xs" variant="default" onClick={() => setAsking(true)}>
        Discard all
      </Button>
      <ConfirmDialog
        opened={asking}
        title={`Discard ${plural(open.length, "file")}?`}
        confirm="Discard all"
        permanent="What was sent of them is removed."
        busy={false}
        error={null}
        onClose={() => setAsking(false)}
        onConfirm={() => {
          setAsking(false);
          for (const { key } of open) void uploadActions.cancel(key);
        }}
      >
        Nothing of them is loaded.
      </ConfirmDialog>
    </>
  );
}
