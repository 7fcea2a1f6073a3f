import { IconMapQuestion } from "@tabler/icons-react";
import { EmptyState } from "@/components/EmptyState";
import { LinkButton } from "@/components/LinkButton";

export function NotFound() {
  return (
    <EmptyState
      icon={IconMapQuestion}
      title="Page not found"
      level={1}
      action={<LinkButton to="/">Go to the overview</LinkButton>}
    >
      Check the address for typing errors.
    </EmptyState>
  );
}
