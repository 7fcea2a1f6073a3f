import { Switch } from "@mantine/core";
import { IconHistory } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { statusClient } from "@/api/clients";
import type { ProcessEvent, WatchEventsResponse } from "@/api/contract";
import { useServerStream } from "@/api/use-server-stream";
import { EmptyState } from "@/components/EmptyState";
import { LoadingState } from "@/components/LoadingState";
import { formatClock, formatCount, formatExactTime } from "@/lib/format";
import { toDate } from "@/lib/proto";
import { describeEvent } from "./describe";
import classes from "./Events.module.css";
import { EventLog } from "./log";

/** Maximum lines shown; a process of a hundred million rows has thousands of batches. */
const SHOWN = 400;

/** The events of a process, newest first, live. `changes` grows when an ended process changes. */
export function EventsTab({ processId, changes }: { readonly processId: string; readonly changes: string }) {
  const [minor, setMinor] = useState(true);
  const log = useMemo(() => new EventLog(processId), [processId]);
  const [events, setEvents] = useState<readonly ProcessEvent[]>([]);
  const [asked, setAsked] = useState("");
  const stream = useServerStream<WatchEventsResponse>({
    key: `${processId} ${changes}`,
    open: (signal) => statusClient.watchEvents({ processId, afterSequence: log.last }, { signal }),
    onMessage: (message) => {
      setAsked(processId);
      if (message.events.length > 0) setEvents(log.add(message.events));
    },
  });
  const lines = events
    .map((event) => ({ event, look: describeEvent(event.type, event.dataJson) }))
    .filter(({ look }) => minor || !look.minor);
  if (stream.phase === "failed" && stream.problem) {
    return (
      <EmptyState icon={IconHistory} title={stream.problem.title}>
        {stream.problem.happened} {stream.problem.advice}
      </EmptyState>
    );
  }
  if (asked !== processId && stream.phase !== "ended") return <LoadingState label="Loading events" />;
  return (
    <>
      <div className={classes.tools}>
        <Switch
          size="sm"
          label="Show all batches"
          checked={minor}
          onChange={(event) => setMinor(event.currentTarget.checked)}
        />
        <p className="muted" role="status">
          {stream.phase === "live" ? "Live" : stream.phase === "waiting" ? "Reconnecting" : ""}
        </p>
      </div>
      {lines.length === 0 ? (
        <EmptyState icon={IconHistory} title="No events yet" />
      ) : (
        <ol className={classes.events} aria-label="Events, newest first" reversed>
          {lines.slice(0, SHOWN).map(({ event, look: { icon: Icon, tone, title, detail } }) => {
            const time = toDate(event.time);
            return (
              <li key={event.eventId} className={classes.event}>
                <span className={classes.icon} data-tone={tone}>
                  <Icon size={15} stroke={1.75} aria-hidden />
                </span>
                <p className={classes.what}>
                  <strong>{title}</strong> <span>{detail}</span>
                </p>
                {time && (
                  <time className={classes.time} dateTime={time.toISOString()} title={formatExactTime(time)}>
                    {formatClock(time)}
                  </time>
                )}
              </li>
            );
          })}
        </ol>
      )}
      {lines.length > SHOWN && (
        <p className={classes.rest}>
          {formatCount(lines.length - SHOWN)} older events are not shown. The Batches tab lists every batch.
        </p>
      )}
    </>
  );
}
