import { useEffect, useRef, useState } from "react";
import { isCancelled } from "./errors";

/** Where work that tells its progress, and can be stopped, stands. */
export type TaskStatus<Progress, Result> =
  | { readonly phase: "idle" }
  | { readonly phase: "running"; readonly progress: Progress }
  | { readonly phase: "done"; readonly result: Result }
  | { readonly phase: "failed"; readonly error: unknown };

interface Task<Progress, Result> {
  readonly status: TaskStatus<Progress, Result>;
  /** Does the work, which runs from when it first tells its progress; with null nothing was done. */
  readonly run: (
    work: (signal: AbortSignal, tell: (progress: Progress) => void) => Promise<Result | null>,
  ) => Promise<void>;
  readonly stop: () => void;
  /** Forgets what came of it. */
  readonly reset: () => void;
}

/** Work of a component: it stops when the component goes. */
export function useTask<Progress, Result>(): Task<Progress, Result> {
  const [status, setStatus] = useState<TaskStatus<Progress, Result>>({ phase: "idle" });
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  return {
    status,
    run: async (work) => {
      const controller = new AbortController();
      running.current = controller;
      try {
        const result = await work(controller.signal, (progress) => setStatus({ phase: "running", progress }));
        setStatus(result === null ? { phase: "idle" } : { phase: "done", result });
      } catch (error) {
        setStatus(isCancelled(error) ? { phase: "idle" } : { phase: "failed", error });
      }
    },
    stop: () => running.current?.abort(),
    reset: () => setStatus({ phase: "idle" }),
  };
}
