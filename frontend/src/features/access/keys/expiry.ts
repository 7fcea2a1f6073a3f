/** When a new key ends. */
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ApiKey } from "@/api/contract";
import { toDate } from "@/lib/proto";

export const EXPIRIES = [
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In a year" },
  { value: "day", label: "At the end of a day …" },
  { value: "never", label: "Never" },
] as const;

/** The choice as CreateKey takes it; null: the day is missing or over. */
export function expiryOf(choice: string, day: string, now = new Date()): Timestamp | undefined | null {
  if (choice === "never") return undefined;
  if (choice !== "day") return timestampFromDate(new Date(now.getTime() + Number(choice) * 86_400_000));
  const end = new Date(`${day}T00:00:00`);
  end.setDate(end.getDate() + 1);
  return end > now ? timestampFromDate(end) : null;
}

type KeyState = "active" | "expired" | "revoked";

export function keyState({ expireTime, revokeTime }: ApiKey, now = new Date()): KeyState {
  if (revokeTime !== undefined) return "revoked";
  const end = toDate(expireTime);
  return end !== null && end <= now ? "expired" : "active";
}
