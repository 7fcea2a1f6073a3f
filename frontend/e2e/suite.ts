/** Another client of the suite: sets up what a test needs before it looks at the page. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import {
  OrchestratorService,
  PipelineService,
  type Process,
  ProcessState,
  StatusService,
  UploadService,
} from "../src/api/contract";
import { crc32c } from "../src/features/upload/hashing/crc32c";
import { PAGE } from "./chromium";

const transport = createGrpcWebTransport({ baseUrl: PAGE });
const uploads = createClient(UploadService, transport);
const pipelines = createClient(PipelineService, transport);
const orchestrator = createClient(OrchestratorService, transport);
export const statusOf = createClient(StatusService, transport);

/** Stores a pipeline with these fields and a table named after it. */
export async function applyPipeline(name: string, fields: readonly object[]): Promise<void> {
  const document = { name, schema: { fields }, sink: { table: name.replaceAll("-", "_") } };
  await pipelines.applyPipeline({ documentJson: JSON.stringify(document) });
}

interface StoredDocument {
  readonly schema: { readonly fields: readonly Readonly<Record<string, unknown>>[] };
  readonly [key: string]: unknown;
}

/** The latest version of a pipeline. */
export async function documentOf(name: string): Promise<StoredDocument> {
  const { pipeline } = await pipelines.getPipeline({ name });
  return JSON.parse(pipeline?.documentJson ?? "{}");
}

/** Uploads a file; returns its process as soon as it is accepted. */
export async function ingest(path: string, pipeline = ""): Promise<string> {
  const bytes = readFileSync(path);
  const { upload } = await uploads.createUpload({
    fileName: basename(path),
    sizeBytes: BigInt(bytes.length),
  });
  if (upload === undefined) throw new Error("no upload");
  for (let offset = 0; offset < bytes.length; offset += upload.maxChunkSize) {
    const data = new Uint8Array(bytes.subarray(offset, offset + upload.maxChunkSize));
    const chunk = { offset: BigInt(offset), data, crc32c: crc32c(data) };
    await uploads.writeChunk({ uploadId: upload.uploadId, chunk });
  }
  return (await uploads.completeUpload({ uploadId: upload.uploadId, pipeline })).processId;
}

/** Makes a call about a process as soon as the process exists. */
async function onceItExists(call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await call();
      return;
    } catch (error) {
      if (ConnectError.from(error).code !== Code.NotFound) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

export async function pause(processId: string): Promise<void> {
  await onceItExists(() => orchestrator.pauseProcess({ processId }));
}

export async function cancel(processId: string): Promise<void> {
  await onceItExists(() => orchestrator.cancelProcess({ processId }));
}

export async function resume(processId: string): Promise<void> {
  await orchestrator.resumeProcess({ processId });
}

/** Waits for a process to end. */
export async function ended(processId: string): Promise<Process> {
  for await (const { process } of statusOf.watchProcess({ processId })) {
    if (process !== undefined && process.state >= ProcessState.COMPLETED) return process;
  }
  throw new Error("the process did not end");
}
