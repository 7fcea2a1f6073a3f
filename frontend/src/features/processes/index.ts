/** What other features may use of processes, besides their queries. */
export { STATE_GROUPS } from "./filters";
export { useLiveProcesses } from "./live";
export { ProcessTable } from "./ProcessTable";
