import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import type { Interceptor } from "@connectrpc/connect";
import { backoff } from "@/api/connection";
import { isUnreachable } from "@/api/errors";
import { pause } from "@/api/use-server-stream";

const REPEATS = 3;

/**
 * Repeats changes that nobody answered, where doing them twice is doing them once. Reads are repeated by the
 * query client, which waits longer; streams are opened again by those who follow them.
 */
export const repeat: Interceptor = (next) => async (request) => {
  const repeats = !request.stream && request.method.idempotency === Level.IDEMPOTENT ? REPEATS : 0;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await next(request);
    } catch (error) {
      if (attempt === repeats || request.signal.aborted || !isUnreachable(error)) throw error;
    }
    await pause(backoff(attempt), request.signal);
  }
};
