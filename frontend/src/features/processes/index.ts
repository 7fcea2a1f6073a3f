/** What other features may import, besides queries.ts. */
export { STATE_GROUPS } from "./filters";
export { useLiveProcesses } from "./live";
export { ProcessTable } from "./ProcessTable";
