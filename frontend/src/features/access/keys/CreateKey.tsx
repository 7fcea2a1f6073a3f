import { Button, Checkbox, CopyButton, Modal, NativeSelect, Radio, TextInput } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { accessClient } from "@/api/clients";
import { type CreateKeyResponse, Role } from "@/api/contract";
import { violationsOf } from "@/api/errors";
import { ErrorState } from "@/components/ErrorState";
import { pipelinesQuery } from "@/features/pipelines/queries";
import classes from "../AccessPage.module.css";
import { accessKeys } from "../me";
import { RoleChecks } from "../roles/RoleList";
import { EXPIRIES, expiryOf } from "./expiry";

interface CreateKeyProps {
  readonly opened: boolean;
  readonly onClose: () => void;
}

/** Asks what a key is for, creates it, and shows it once. */
export function CreateKey({ opened, onClose }: CreateKeyProps) {
  const [made, setMade] = useState<CreateKeyResponse | null>(null);
  // The key must not be lost by a click beside the dialog.
  const close = () => {
    if (made === null) onClose();
  };
  return (
    <Modal
      opened={opened}
      onClose={close}
      onExitTransitionEnd={() => setMade(null)}
      withCloseButton={made === null}
      title={made === null ? "New API key" : "Store this key now"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {made === null ? <Form onMade={setMade} onClose={onClose} /> : <Secret made={made} onClose={onClose} />}
    </Modal>
  );
}

interface FormProps {
  readonly onMade: (made: CreateKeyResponse) => void;
  readonly onClose: () => void;
}

function Form({ onMade, onClose }: FormProps) {
  const queryClient = useQueryClient();
  const stored = useQuery(pipelinesQuery());
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<readonly Role[]>([Role.VIEWER]);
  const [limited, setLimited] = useState("all");
  const [pipelines, setPipelines] = useState<readonly string[]>([]);
  const [expiry, setExpiry] = useState("90");
  const [day, setDay] = useState("");
  const expireTime = expiryOf(expiry, day);
  const create = useMutation({
    mutationFn: () =>
      accessClient.createKey({
        name: name.trim(),
        roles: [...roles],
        pipelines: limited === "all" ? [] : [...pipelines],
        ...(expireTime ? { expireTime } : {}),
      }),
    onSuccess: (made) => {
      onMade(made);
      void queryClient.invalidateQueries({ queryKey: accessKeys.keys });
    },
  });
  const incomplete =
    name.trim() === "" ||
    roles.length === 0 ||
    expireTime === null ||
    (limited !== "all" && pipelines.length === 0);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (!incomplete) create.mutate();
  };
  const wrong = new Map(violationsOf(create.error).map(({ field, description }) => [field, description]));
  return (
    <form className={classes.form} onSubmit={onSubmit}>
      <TextInput
        label="Name"
        description="What the key is for"
        placeholder="Nightly import"
        maxLength={100}
        data-autofocus
        value={name}
        error={wrong.get("name")}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <RoleChecks value={roles} onChange={setRoles} />
      <Radio.Group label="Pipelines" value={limited} onChange={setLimited}>
        <div className={classes.checks}>
          <Radio value="all" label="All pipelines" />
          <Radio value="some" label="Only these" disabled={(stored.data?.length ?? 0) === 0} />
        </div>
      </Radio.Group>
      {limited === "some" && (
        <Checkbox.Group
          aria-label="Pipelines that the key is for"
          value={[...pipelines]}
          onChange={setPipelines}
        >
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
          <div className={classes.checks} tabIndex={0}>
            {stored.data?.map((pipeline) => (
              <Checkbox key={pipeline.name} value={pipeline.name} label={pipeline.name} />
            ))}
          </div>
        </Checkbox.Group>
      )}
      <div className={classes.two}>
        <NativeSelect
          label="Ends"
          data={[...EXPIRIES]}
          value={expiry}
          error={wrong.get("expire_time")}
          onChange={(event) => setExpiry(event.currentTarget.value)}
        />
        {expiry === "day" && (
          <TextInput
            type="date"
            label="Last day"
            value={day}
            error={day !== "" && expireTime === null ? "Choose a day to come" : undefined}
            onChange={(event) => setDay(event.currentTarget.value)}
          />
        )}
      </div>
      {create.isError && <ErrorState inline error={create.error} />}
      <div className={classes.buttons}>
        <Button variant="default" onClick={onClose}>
          Not now
        </Button>
        <Button type="submit" disabled={incomplete} loading={create.isPending}>
          Create key
        </Button>
      </div>
    </form>
  );
}

interface SecretProps {
  readonly made: CreateKeyResponse;
  readonly onClose: () => void;
}

function Secret({ made, onClose }: SecretProps) {
  return (
    <div className={classes.form}>
      <p>
        This is the only time that the whole key is shown. Put it where the program finds it, for example as{" "}
        <code>INGESTOR_TOKEN</code>. Whoever has it can do what the key may do.
      </p>
      <div className={classes.secret}>
        <TextInput
          readOnly
          label={made.key?.name}
          value={made.token}
          onFocus={(event) => event.currentTarget.select()}
        />
        <CopyButton value={made.token}>
          {({ copied, copy }) => (
            <Button
              variant="default"
              leftSection={copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
              onClick={copy}
            >
              {copied ? "Copied" : "Copy"}
            </Button>
          )}
        </CopyButton>
      </div>
      <div className={classes.buttons}>
        <Button onClick={onClose}>I have stored it</Button>
      </div>
    </div>
  );
}
