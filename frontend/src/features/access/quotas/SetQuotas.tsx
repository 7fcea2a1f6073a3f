import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { accessClient } from "@/api/clients";
import type { Tenant } from "@/api/contract";
import { ErrorState } from "@/components/ErrorState";
import { QUOTAS, readAmount, writeAmount } from "@/lib/quotas";
import classes from "../AccessPage.module.css";
import { accessKeys } from "../me";

interface SetQuotasProps {
  readonly tenant: Tenant | null;
  readonly onClose: () => void;
}

/** Sets the quotas of a tenant. */
export function SetQuotas({ tenant, onClose }: SetQuotasProps) {
  // Keeps the form while the dialog fades out.
  const [shown, setShown] = useState(tenant);
  if (tenant !== null && tenant !== shown) setShown(tenant);
  return (
    <Modal
      opened={tenant !== null}
      onClose={onClose}
      title={`Quotas of ${shown?.name}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {shown && <Form key={shown.name} tenant={shown} onClose={onClose} />}
    </Modal>
  );
}

function Form({ tenant, onClose }: { readonly tenant: Tenant; readonly onClose: () => void }) {
  const queryClient = useQueryClient();
  const before = new Map(tenant.quotas.map(({ name, limit }) => [name, writeAmount(name, limit)]));
  const [texts, setTexts] = useState<ReadonlyMap<string, string>>(before);
  const textOf = (name: string) => texts.get(name) ?? "";
  const changed = QUOTAS.filter(({ name }) => textOf(name).trim() !== (before.get(name) ?? ""));
  const wrong = QUOTAS.filter(({ name }) => readAmount(name, textOf(name)) === null);
  const set = useMutation({
    mutationFn: () =>
      accessClient.setQuotas({
        tenant: tenant.name,
        quotas: changed.map(({ name }) => {
          const limit = readAmount(name, textOf(name));
          return typeof limit === "bigint" ? { name, limit } : { name };
        }),
      }),
    onSuccess: async () => {
      await queryClient.invalidateQueries({ queryKey: accessKeys.all });
      onClose();
    },
  });
  const impossible = changed.length === 0 || wrong.length > 0;
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (!impossible) set.mutate();
  };
  return (
    <form className={classes.form} onSubmit={onSubmit}>
      <p className={classes.hint}>
        Empty: no limit. A lower limit stops nothing that runs; it refuses what comes next.
      </p>
      <div className={classes.two}>
        {QUOTAS.map(({ name, label, bytes }) => (
          <TextInput
            key={name}
            size="xs"
            label={label}
            placeholder={bytes ? "No limit, or 10 GiB" : "No limit"}
            value={textOf(name)}
            error={
              wrong.some((one) => one.name === name)
                ? bytes
                  ? "Write a size, such as 10 GiB"
                  : "Write a whole number"
                : undefined
            }
            onChange={(event) => setTexts(new Map(texts).set(name, event.currentTarget.value))}
          />
        ))}
      </div>
      {set.isError && <ErrorState inline error={set.error} />}
      <div className={classes.buttons}>
        <Button variant="default" onClick={onClose}>
          Not now
        </Button>
        <Button type="submit" disabled={impossible} loading={set.isPending}>
          Save quotas
        </Button>
      </div>
    </form>
  );
}
