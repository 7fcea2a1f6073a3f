/** Which audit records are shown, as the address holds it and as the service takes it. */
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";

export interface AuditFilter {
  readonly subject?: string;
  readonly method?: string;
  readonly object?: string;
  readonly startTime?: Timestamp;
  readonly endTime?: Timestamp;
}
