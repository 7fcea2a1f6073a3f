import { Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";
import { formatAgo, formatExactTime } from "@/lib/format";

/** "5 minutes ago", with the exact time on hover and focus; keeps itself up to date. */
export function TimeAgo({ time }: { readonly time: Date }) {
  const [, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), 30_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <Tooltip label={formatExactTime(time)}>
      <time dateTime={time.toISOString()}>{formatAgo(time)}</time>
    </Tooltip>
  );
}
