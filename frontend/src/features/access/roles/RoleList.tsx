import { Checkbox } from "@mantine/core";
import type { Role } from "@/api/contract";
import classes from "../AccessPage.module.css";
import { ROLES, roleLabel } from "./roles";

/** Roles as labels. */
export function RoleList({ roles }: { readonly roles: readonly Role[] }) {
  return (
    <span className={classes.roles}>
      {roles.map((role) => (
        <span key={role} className={classes.role}>
          {roleLabel(role)}
        </span>
      ))}
    </span>
  );
}

interface RoleChecksProps {
  readonly value: readonly Role[];
  readonly onChange: (roles: readonly Role[]) => void;
}

/** Chooses roles. */
export function RoleChecks({ value, onChange }: RoleChecksProps) {
  return (
    <Checkbox.Group
      label="Roles"
      value={value.map(String)}
      onChange={(chosen) =>
        onChange(ROLES.map(({ role }) => role).filter((role) => chosen.includes(`${role}`)))
      }
    >
      <div className={classes.checks}>
        {ROLES.map(({ role, label, meaning }) => (
          <Checkbox key={role} value={String(role)} label={label} description={meaning} />
        ))}
      </div>
    </Checkbox.Group>
  );
}
