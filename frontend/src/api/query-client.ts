import { QueryClient } from "@tanstack/react-query";
import { backoff, onRecovery } from "./connection";
import { isTransient } from "./errors";

/** Queries keep waiting for a service that is down, and fail at once on an answer that will not change. */
export function createQueryClient(): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        retry: (_count, error) => isTransient(error),
        retryDelay: (attempt) => backoff(attempt),
        staleTime: 5_000,
        // The suite may run on this machine, so a lost network means nothing.
        networkMode: "always",
        refetchOnWindowFocus: true,
      },
      mutations: { networkMode: "always", retry: false },
    },
  });
  onRecovery(() => {
    void client.invalidateQueries();
  });
  return client;
}
