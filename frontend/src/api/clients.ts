import { createClient } from "@connectrpc/connect";
import { SIGN_IN } from "./connection";
import {
  AccessService,
  OrchestratorService,
  PipelineService,
  ProcessorService,
  StatusService,
  UploadService,
} from "./contract";
import { currentSession } from "./session";
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
/** Who the caller is; keys, members, quotas, audit log. */
export const accessClient = createClient(AccessService, transport);

/** A cheap call to each service that finds out whether it answers again. */
export const probes: Readonly<Record<string, (signal: AbortSignal) => Promise<unknown>>> = {
  [UploadService.typeName]: (signal) => uploadClient.getStorage({}, { signal }),
  [StatusService.typeName]: (signal) => statusClient.listProcesses({ pageSize: 1 }, { signal }),
  [OrchestratorService.typeName]: (signal) => orchestratorClient.getQueues({}, { signal }),
  [PipelineService.typeName]: (signal) => pipelineClient.listPipelines({ pageSize: 1 }, { signal }),
  [AccessService.typeName]: (signal) => accessClient.getAccess({}, { signal }),
  [SIGN_IN]: async () => currentSession().signIn?.token(),
  [ProcessorService.typeName]: (signal) => pipelineClient.listPipelines({ pageSize: 1 }, { signal }),
};
