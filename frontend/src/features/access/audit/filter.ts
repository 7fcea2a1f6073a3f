/** Which audit records are shown, as the address holds it and as the service takes it. */
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { AccessSearch } from "@/lib/search";

export interface AuditFilter {
  readonly subject?: string;
  readonly method?: string;
  readonly object?: string;
  readonly startTime?: Timestamp;
  readonly endTime?: Timestamp;
}

/** Midnight of a day such as "2026-11-29" in the browser's time zone, `later` days after it. */
function midnight(day: string, later: number): Timestamp {
  const time = new Date(`${day}T00:00:00`);
  time.setDate(time.getDate() + later);
  return timestampFromDate(time);
}

export function auditFilter(search: AccessSearch): AuditFilter {
  const { subject, method, object, from, until } = search;
  return {
    ...(subject === undefined ? {} : { subject }),
    ...(method === undefined ? {} : { method }),
    ...(object === undefined ? {} : { object }),
    ...(from === undefined ? {} : { startTime: midnight(from, 0) }),
    ...(until === undefined ? {} : { endTime: midnight(until, 1) }),
  };
}
