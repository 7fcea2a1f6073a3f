import type { DescMethod } from "@bufbuild/protobuf";
import { IconLock } from "@tabler/icons-react";
import classes from "./RoleNeeded.module.css";
import { anyOf, rolesToAskFor } from "./roles/roles";

interface RoleNeededProps {
  readonly method: DescMethod;
  /** What the person cannot do: "To send files". */
  readonly to: string;
}

/** In place of what a person may not use: says which role it takes. */
export function RoleNeeded({ method, to }: RoleNeededProps) {
  return (
    <p className={classes.needed} role="note">
      <IconLock size={16} stroke={1.75} aria-hidden />
      <span>
        {to}, you need the role {anyOf(rolesToAskFor(method))}. Ask an administrator of your tenant.
      </span>
    </p>
  );
}
