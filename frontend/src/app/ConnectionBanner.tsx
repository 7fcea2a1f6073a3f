import { Loader } from "@mantine/core";
import { useEffect, useSyncExternalStore } from "react";
import { probes } from "@/api/clients";
import { backoff, currentOutages, SIGN_IN, subscribeToOutages } from "@/api/connection";
import { pause } from "@/api/use-server-stream";
import classes from "./ConnectionBanner.module.css";

const NAMES: Readonly<Record<string, string>> = {
  "ingestor.v1.UploadService": "uploads",
  "ingestor.v1.StatusService": "processes",
  "ingestor.v1.OrchestratorService": "pausing and resuming",
  "ingestor.v1.PipelineService": "pipelines",
  "ingestor.v1.ProcessorService": "undoing",
  "ingestor.v1.AccessService": "access",
  [SIGN_IN]: "signing in",
};

/** Names the part of the suite that is not responding, probes it, and disappears once it answers. */
export function ConnectionBanner() {
  const outages = useSyncExternalStore(subscribeToOutages, currentOutages);
  const down = [...outages.keys()].sort();
  const key = down.join(" ");

  useEffect(() => {
    if (key === "") return;
    const stopped = new AbortController();
    for (const service of key.split(" ")) void probeUntilAnswer(service, stopped.signal);
    return () => stopped.abort();
  }, [key]);

  return (
    <div role="status" aria-live="polite">
      {down.length > 0 && (
        <div className={classes.banner}>
          <Loader size={16} color="var(--warning)" aria-hidden />
          <p>
            <strong>{headline(down)}</strong> Nothing is lost: the page keeps trying and resumes by itself.
          </p>
        </div>
      )}
    </div>
  );
}

function headline(down: readonly string[]): string {
  if (down.length >= 3) return "The suite is not responding.";
  const parts = down.map((service) => NAMES[service] ?? service);
  return `The service for ${parts.join(" and for ")} is not responding.`;
}

/** The transport records the answer, which takes the service off the list. */
async function probeUntilAnswer(service: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    await pause(backoff(attempt), signal);
    if (signal.aborted) return;
    await probes[service]?.(signal).catch(() => undefined);
  }
}
