/** Describes the events of a process. */
import type { TablerIcon } from "@tabler/icons-react";
import {
  IconArrowBackUp,
  IconBox,
  IconCircleCheck,
  IconCircleX,
  IconClockX,
  IconInfoCircle,
  IconPlayerPause,
  IconPlayerPlay,
  IconSend,
  IconTool,
  IconTrash,
} from "@tabler/icons-react";
import { formatCount, plural } from "@/lib/format";
import type { Tone } from "@/lib/states";

interface EventLook {
  readonly icon: TablerIcon;
  readonly tone: Tone;
  readonly title: string;
  readonly detail: string;
  /** Whether it is about a single batch; there are many of these. */
  readonly minor: boolean;
}

type Data = Readonly<Record<string, unknown>>;

/** CloudEvents' `data`; an empty object when it is not an object. */
function eventData(json: string): Data {
  try {
    const data: unknown = JSON.parse(json);
    return typeof data === "object" && data !== null ? (data as Data) : {};
  } catch {
    return {};
  }
}

function count(data: Data, key: string): number {
  const value = data[key];
  return typeof value === "number" ? value : 0;
}

function part(data: Data, key: string): Data {
  const value = data[key];
  return typeof value === "object" && value !== null ? (value as Data) : {};
}

function rowsOf(data: Data): string {
  const first = count(data, "first_row");
  const last = first + count(data, "row_count") - 1;
  return `Rows ${formatCount(first)} to ${formatCount(last)}`;
}

function outcome(data: Data): string {
  const parts = [`${formatCount(count(data, "succeeded"))} loaded`];
  if (count(data, "failed") > 0) parts.push(`${formatCount(count(data, "failed"))} failed`);
  if (count(data, "skipped") > 0) parts.push(`${formatCount(count(data, "skipped"))} skipped`);
  if (count(data, "unprocessed") > 0) parts.push(`${formatCount(count(data, "unprocessed"))} unprocessed`);
  return parts.join(", ");
}

/** Describes an event by CloudEvents' `type` and `data`. */
export function describeEvent(type: string, json: string): EventLook {
  const data = eventData(json);
  const batch = formatCount(count(data, "batch_number"));
  switch (type) {
    case "ingestion.started":
      return look(IconPlayerPlay, "progress", "Started", "The file was accepted.");
    case "rows.dispatched":
      return {
        ...look(IconSend, "neutral", `Batch ${batch} sent`, `${rowsOf(data)} are in the queue.`),
        minor: true,
      };
    case "rows.redispatched":
      return look(
        IconSend,
        "neutral",
        `${plural(count(data, "batch_count"), "batch", "batches")} sent again`,
        `The queue had lost them, with ${plural(count(data, "row_count"), "row")}.`,
      );
    case "rows.processed":
      return {
        ...look(
          IconBox,
          count(data, "failed") > 0 ? "warning" : "good",
          `Batch ${batch} done`,
          `${rowsOf(data)}: ${outcome(data)}.`,
        ),
        minor: true,
      };
    case "rows.repaired":
      return look(IconTool, "good", "Rows repaired", repaired(data));
    case "ingestion.completed":
      return look(
        IconCircleCheck,
        count(part(data, "counts"), "failed") > 0 ? "warning" : "good",
        "Completed",
        `${plural(count(part(data, "counts"), "read"), "row")}: ${outcome(part(data, "counts"))}.`,
      );
    case "ingestion.failed": {
      const message = part(data, "failure").message;
      return look(IconCircleX, "bad", "Failed", typeof message === "string" ? message : "");
    }
    case "ingestion.paused":
      return look(
        IconPlayerPause,
        "warning",
        "Paused",
        typeof data.reason === "string" ? data.reason : "No more rows are sent until someone resumes it.",
      );
    case "ingestion.resumed":
      return look(IconPlayerPlay, "progress", "Resumed", "Reading continues.");
    case "ingestion.cancelled":
      return look(IconCircleX, "neutral", "Cancelled", `${outcome(part(data, "counts"))}.`);
    case "ingestion.undone":
      return look(IconArrowBackUp, "neutral", "Undone", "Its loaded rows were taken out of the table.");
    case "ingestion.noticed":
      return look(IconInfoCircle, "neutral", "Good to know", noticed(data));
    case "process.expired":
      return look(
        IconClockX,
        "neutral",
        "Records removed",
        "The file, the report and individual rows are no longer stored.",
      );
    case "process.deleted":
      return look(IconTrash, "neutral", "Deleted", "The file and the records were removed.");
    default:
      return look(IconBox, "neutral", type, "");
  }
}

function noticed(data: Data): string {
  const notices = Array.isArray(data.notices) ? (data.notices as readonly Data[]) : [];
  return notices.map(({ message }) => (typeof message === "string" ? message : "")).join(" ");
}

function repaired(data: Data): string {
  const good = count(data, "succeeded");
  const bad = count(data, "failed");
  if (good === 0 && bad === 0) return "A repair loaded rows.";
  return `${formatCount(good)} now loaded${bad > 0 ? `, ${formatCount(bad)} failed again` : ""}.`;
}

function look(icon: TablerIcon, tone: Tone, title: string, detail: string): EventLook {
  return { icon, tone, title, detail, minor: false };
}
