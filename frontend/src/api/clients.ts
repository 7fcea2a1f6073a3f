import { createClient } from "@connectrpc/connect";
import {
  OrchestratorService,
  PipelineService,
  ProcessorService,
  StatusService,
  UploadService,
} from "./contract";
import { createPageTransport } from "./transport";

const transport = createPageTransport();

/** Uploads. */
export const uploadClient = createClient(UploadService, transport);
/** Processes, rows, errors, reports, events. */
export const statusClient = createClient(StatusService, transport);
/** Pause, resume, cancel, retry, queues. */
export const orchestratorClient = createClient(OrchestratorService, transport);
/** Versioned pipelines. */
export const pipelineClient = createClient(PipelineService, transport);
/** Undo. */
export const processorClient = createClient(ProcessorService, transport);

/** A cheap call to each service that finds out whether it answers again. */
export const probes: Readonly<Record<string, (signal: AbortSignal) => Promise<unknown>>> = {
  [UploadService.typeName]: (signal) => uploadClient.getStorage({}, { signal }),
  [StatusService.typeName]: (signal) => statusClient.listProcesses({ pageSize: 1 }, { signal }),
  [OrchestratorService.typeName]: (signal) => orchestratorClient.getQueues({}, { signal }),
  [PipelineService.typeName]: (signal) => pipelineClient.listPipelines({ pageSize: 1 }, { signal }),
  [ProcessorService.typeName]: (signal) => pipelineClient.listPipelines({ pageSize: 1 }, { signal }),
};
