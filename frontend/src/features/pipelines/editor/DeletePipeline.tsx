import { Button, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { pipelineClient } from "@/api/clients";
import { ErrorState } from "@/components/ErrorState";
import { pipelineKeys } from "../queries";
import classes from "./Editor.module.css";

/** Says what deleting does and does not do, then does it. */
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
          New files cannot use it any more. Tables and loaded rows stay, and so do its versions for the
          processes that ran with them; a pipeline saved under this name later goes on with the next version.
        </p>
        {remove.isError && <ErrorState inline error={remove.error} />}
        <div className={classes.tabs}>
          <span />
          <span className={classes.stepHead}>
            <Button variant="default" onClick={() => setOpen(false)}>
              Keep it
            </Button>
            <Button color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
              Delete the pipeline
            </Button>
          </span>
        </div>
      </Modal>
    </>
  );
}
