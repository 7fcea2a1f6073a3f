import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { reportAnswer, reportOutage } from "./connection";
import { isUnreachable } from "./errors";

/** fetch whose failures to reach anybody are UNAVAILABLE, as a native gRPC client would say. */
const reach: typeof globalThis.fetch = async (input, init) => {
  try {
    return await globalThis.fetch(input, init);
  } catch (error) {
    if (error instanceof TypeError) {
      throw new ConnectError("The server cannot be reached.", Code.Unavailable, undefined, undefined, error);
    }
    throw error;
  }
};

/** Notes which services answer. */
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

/** gRPC-web to the place that the page came from. */
export function createPageTransport(baseUrl: string = globalThis.location.origin): Transport {
  return createGrpcWebTransport({ baseUrl, fetch: reach, interceptors: [watchConnection] });
}
