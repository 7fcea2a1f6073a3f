import { Button, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { pipelineClient } from "@/api/clients";
import { ErrorState } from "@/components/ErrorState";
import { pipelineKeys } from "../queries";
import classes from "./Editor.module.css";

/** Explains what deleting does before it deletes. */
export function DeletePipeline({ name }: { readonly name: string }) {
  const [open, setOpen] = useState(false);
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => pipelineClient.deletePipeline({ name }),
    onSuccess: async () => {
      await navigate({ to: "/pipelines", ignoreBlocker: true });
      await queryClient.invalidateQueries({ queryKey: pipelineKeys.all });
    },
  });
  return (
    <>
      <Button variant="default" onClick={() => setOpen(true)}>
        Delete
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={`Delete ${name}?`}>
        <p>
          New files can no longer use it. Tables and loaded rows stay, and so do its versions, for the
          processes that used them. A pipeline saved under this name later continues with the next version.
        </p>
        {remove.isError && <ErrorState inline error={remove.error} />}
        <div className={classes.tabs}>
          <span />
          <span className={classes.stepHead}>
            <Button variant="default" onClick={() => setOpen(false)}>
              Keep it
            </Button>
            <Button color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
              Delete pipeline
            </Button>
          </span>
        </div>
      </Modal>
    </>
  );
}
