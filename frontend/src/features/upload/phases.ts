/** Describes the phase of an upload. */
import { formatByteRate, formatBytes, formatDuration } from "@/lib/format";
import type { UploadSnapshot } from "./engine/task";

/** One line: the phase of the upload, with rate and time left where known. */
export function phaseText(upload: UploadSnapshot): string {
  const sent = `${formatBytes(upload.received)} of ${formatBytes(upload.size)}`;
  switch (upload.phase) {
    case "preparing":
      return "Waiting for other uploads";
    case "refused":
      return "Not sent";
    case "elsewhere":
      return "Another tab is sending this file. It resumes here when that tab is closed.";
    case "sending": {
      const parts = [sent];
      if (upload.rate !== null) parts.push(formatByteRate(upload.rate));
      if (upload.timeLeft !== null) parts.push(`${formatDuration(upload.timeLeft)} left`);
      if (upload.resumedAt > 0) parts.push(`resumed at ${formatBytes(upload.resumedAt)}`);
      return parts.join(" · ");
    }
    case "paused":
      return `Paused at ${sent}`;
    case "reconnecting":
      return `No connection. Resumes by itself · ${sent}`;
    case "sent":
      return `${formatBytes(upload.size)} sent. Map the columns, then start.`;
    case "completing":
      return upload.hashed < upload.size
        ? `Verifying the file · ${percent(upload.hashed, upload.size)}`
        : "Starting";
    case "completed":
      return "Sent; process started";
    case "failed":
      return `Stopped at ${sent}`;
    case "cancelled":
      return "Cancelled";
  }
}

function percent(part: number, whole: number): string {
  return `${Math.floor((part / Math.max(1, whole)) * 100)}%`;
}

/** Share sent, 0 to 100. */
export function sentPercent(sent: number, size: number): number {
  return size === 0 ? 0 : (sent / size) * 100;
}
