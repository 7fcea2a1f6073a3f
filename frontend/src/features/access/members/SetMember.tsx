import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { accessClient } from "@/api/clients";
import { type Member, Role } from "@/api/contract";
import { violationsOf } from "@/api/errors";
import { ErrorState } from "@/components/ErrorState";
import classes from "../AccessPage.module.css";
import { accessKeys } from "../me";
import { RoleChecks } from "../roles/RoleList";

interface SetMemberProps {
  readonly edited: Member | "new" | null;
  readonly onClose: () => void;
}

/** Gives a person roles, instead of those that it has here. */
export function SetMember({ edited, onClose }: SetMemberProps) {
  // Keeps the form while the dialog fades out.
  const [shown, setShown] = useState(edited);
  if (edited !== null && edited !== shown) setShown(edited);
  const member = shown === "new" ? null : shown;
  return (
    <Modal
      opened={edited !== null}
      onClose={onClose}
      title={member === null ? "Add member" : `Roles of ${member.subject}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Form member={member} onClose={onClose} />
    </Modal>
  );
}

interface FormProps {
  readonly member: Member | null;
  readonly onClose: () => void;
}

function Form({ member, onClose }: FormProps) {
  const queryClient = useQueryClient();
  const [subject, setSubject] = useState(member?.subject ?? "");
  const [roles, setRoles] = useState<readonly Role[]>(member?.roles ?? [Role.VIEWER]);
  const set = useMutation({
    mutationFn: () => accessClient.setMember({ subject: subject.trim(), roles: [...roles] }),
    onSuccess: async () => {
      await queryClient.invalidateQueries({ queryKey: accessKeys.all });
      onClose();
    },
  });
  const incomplete = subject.trim() === "" || roles.length === 0;
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (!incomplete) set.mutate();
  };
  const wrong = new Map(violationsOf(set.error).map(({ field, description }) => [field, description]));
  return (
    <form className={classes.form} onSubmit={onSubmit}>
      {member === null && (
        <TextInput
          label="Person"
          description="The subject of the sign-in, or the verified e-mail address"
          maxLength={200}
          data-autofocus
          value={subject}
          error={wrong.get("subject")}
          onChange={(event) => setSubject(event.currentTarget.value)}
        />
      )}
      <RoleChecks value={roles} onChange={setRoles} />
      {roles.length === 0 && <p className={classes.hint}>Choose at least one role, or remove the member.</p>}
      {set.isError && <ErrorState inline error={set.error} />}
      <div className={classes.buttons}>
        <Button variant="default" onClick={onClose}>
          Not now
        </Button>
        <Button type="submit" disabled={incomplete} loading={set.isPending}>
          {member === null ? "Add member" : "Save roles"}
        </Button>
      </div>
    </form>
  );
}
