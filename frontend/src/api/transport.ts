import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { reportAnswer, reportOutage } from "./connection";
import { isUnreachable } from "./errors";
import { authorize } from "./interceptors/authorize";
import { repeat } from "./interceptors/repeat";
import { traced } from "./interceptors/trace";

/** Larger bodies are sent as a Blob. */
const LARGE_BYTES = 64 * 1024;

/**
 * Chromium hands a body of bytes to whoever watches the network, such as its developer tools; sending a file then
 * takes up to ten times as long. It does not do so with a Blob, which is as fast where nobody watches.
 */
function bodyOf(init: RequestInit | undefined): RequestInit | undefined {
  const body = init?.body;
  return body instanceof Uint8Array && body.byteLength > LARGE_BYTES
    ? { ...init, body: new Blob([body as Uint8Array<ArrayBuffer>]) }
    : init;
}

/** fetch that reports an unreachable server as UNAVAILABLE, as a native gRPC client does. */
const reach: typeof globalThis.fetch = async (input, init) => {
  try {
    return await globalThis.fetch(input, bodyOf(init));
  } catch (error) {
    if (error instanceof TypeError) {
      throw new ConnectError("The server cannot be reached.", Code.Unavailable, undefined, undefined, error);
    }
    throw error;
  }
};

/** Records which services answer. */
const watchConnection: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    reportAnswer(request.service.typeName);
    return response;
  } catch (error) {
    if (isUnreachable(error)) reportOutage(request.service.typeName);
    else if (!request.signal.aborted) reportAnswer(request.service.typeName);
    throw error;
  }
};

/** Names the upload that a call is about, so that the gateway sends all of them to one instance. */
const nameUpload: Interceptor = (next) => (request) => {
  if (!request.stream && "uploadId" in request.message && typeof request.message.uploadId === "string") {
    request.header.set("ingestor-upload", request.message.uploadId);
  }
  return next(request);
};

interface PageTransportOptions {
  readonly baseUrl?: string;
  /** Stays in this tenant, whichever is chosen later; "": the caller's only one. */
  readonly tenant?: string;
}

/** gRPC-web to the origin that served the page. */
export function createPageTransport(options: PageTransportOptions = {}): Transport {
  const { baseUrl = globalThis.location.origin, tenant } = options;
  return createGrpcWebTransport({
    baseUrl,
    fetch: reach,
    interceptors: [repeat, authorize(tenant), nameUpload, traced, watchConnection],
  });
}
