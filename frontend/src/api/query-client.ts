import { QueryClient } from "@tanstack/react-query";
import { backoff, onRecovery } from "./connection";
import { isTransient } from "./errors";

/** Queries that wait for a service as long as it takes, and give up at once on an answer that will not change. */
export function createQueryClient(): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        retry: (_count, error) => isTransient(error),
        retryDelay: (attempt) => backoff(attempt),
        staleTime: 5_000,
        // The suite may be on this very machine: a lost network says nothing.
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
