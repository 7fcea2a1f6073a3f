import { IconMapQuestion } from "@tabler/icons-react";
import { EmptyState } from "@/components/EmptyState";
import { LinkButton } from "@/components/LinkButton";

export function NotFound() {
  return (
    <EmptyState
      icon={IconMapQuestion}
      title="There is no such page"
      level={1}
      action={<LinkButton to="/">Go to the overview</LinkButton>}
    >
      The address may be mistyped.
    </EmptyState>
  );
}
