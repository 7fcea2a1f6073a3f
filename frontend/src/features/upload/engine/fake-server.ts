/** An in-memory upload service with the rules of the real one, for tests. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, type Upload, UploadSchema, UploadState } from "@/api/contract";
import { crc32c } from "../hashing/crc32c";
import type { UploadCalls } from "./ports";

export function refusal(code: Code, reason: string, metadata: Record<string, string> = {}): ConnectError {
  const info: MessageInitShape<typeof ErrorInfoSchema> = { reason, domain: "ingestor", metadata };
  return new ConnectError(reason, code, undefined, [{ desc: ErrorInfoSchema, value: info }]);
}

export const unavailable = () => new ConnectError("gone", Code.Unavailable);

interface Kept {
  readonly upload: Upload;
  readonly requestId: string;
  bytes: number[];
}

export class FakeServer {
  readonly uploads: Kept[] = [];
  readonly completions: { pipeline: string; repairs: string; sha256: string }[] = [];
  chunkSize = 4;
  /** Bytes that wait for others in its memory, if the client says that others follow. */
  pieceSize = 1;
  /** Called before each call; what it returns is thrown instead of an answer. */
  trouble: (call: string, size: number) => unknown = () => undefined;
  /** Called after a chunk is stored; what it returns is thrown, as when the answer is lost. */
  lostAnswer: (size: number) => unknown = () => undefined;

  private kept(uploadId: string): Kept {
    const found = this.uploads.find(({ upload }) => upload.uploadId === uploadId);
    if (found === undefined) throw refusal(Code.NotFound, "UPLOAD_NOT_FOUND");
    return found;
  }

  /** Starts it again: what waited is gone. */
  restart(): void {
    for (const kept of this.uploads) kept.bytes.length = Number(kept.upload.committedSize);
  }

  private meet(call: string, size = 0): void {
    const error = this.trouble(call, size);
    if (error !== undefined) throw error;
  }

  /** What the latest upload has received. */
  get received(): string {
    return new TextDecoder().decode(new Uint8Array(this.uploads.at(-1)?.bytes ?? []));
  }

  readonly calls = {
    createUpload: async (request) => {
      this.meet("createUpload");
      let found = this.uploads.find(({ requestId }) => requestId === request.requestId);
      if (found === undefined) {
        const upload = create(UploadSchema, {
          uploadId: `upload-${this.uploads.length + 1}`,
          fileName: request.fileName,
          declaredSize: request.sizeBytes,
          state: UploadState.OPEN,
          maxChunkSize: this.chunkSize,
        });
        found = { upload, requestId: request.requestId ?? "", bytes: [] };
        this.uploads.push(found);
      }
      return { $typeName: "ingestor.v1.CreateUploadResponse", upload: { ...found.upload } };
    },
    writeChunk: async (request) => {
      const kept = this.kept(request.uploadId ?? "");
      this.meet("writeChunk", kept.bytes.length);
      const data = request.chunk?.data ?? new Uint8Array();
      if (request.chunk?.crc32c !== crc32c(data)) throw refusal(Code.Aborted, "CHECKSUM_MISMATCH");
      const known = kept.bytes.length - Number(request.chunk?.offset);
      if (known < 0) {
        kept.upload.committedSize = BigInt(kept.bytes.length);
        throw refusal(Code.FailedPrecondition, "WRONG_OFFSET", { committed_size: String(kept.bytes.length) });
      }
      kept.bytes.push(...data.subarray(known));
      const waiting = kept.bytes.length - Number(kept.upload.committedSize);
      if (!request.more || waiting >= this.pieceSize) kept.upload.committedSize = BigInt(kept.bytes.length);
      const lost = this.lostAnswer(kept.bytes.length);
      if (lost !== undefined) throw lost;
      return {
        $typeName: "ingestor.v1.WriteChunkResponse",
        committedSize: kept.upload.committedSize,
        receivedSize: BigInt(kept.bytes.length),
      };
    },
    getUpload: async (request) => {
      this.meet("getUpload");
      return {
        $typeName: "ingestor.v1.GetUploadResponse",
        upload: { ...this.kept(request.uploadId ?? "").upload },
      };
    },
    completeUpload: async (request) => {
      this.meet("completeUpload");
      const kept = this.kept(request.uploadId ?? "");
      kept.upload.state = UploadState.COMPLETED;
      kept.upload.processId = `process-of-${kept.upload.uploadId}`;
      this.completions.push({
        pipeline: request.pipeline ?? "",
        repairs: request.repairsProcessId ?? "",
        sha256: new TextDecoder().decode(request.sha256),
      });
      return { $typeName: "ingestor.v1.CompleteUploadResponse", processId: kept.upload.processId };
    },
    abortUpload: async (request) => {
      this.meet("abortUpload");
      this.kept(request.uploadId ?? "").upload.state = UploadState.ABORTED;
      return { $typeName: "ingestor.v1.AbortUploadResponse" };
    },
  } as UploadCalls;
}
