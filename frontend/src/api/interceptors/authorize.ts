/** Sends the token with every call, and renews it when a service refuses it. */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type {
  Interceptor,
  StreamRequest,
  StreamResponse,
  UnaryRequest,
  UnaryResponse,
} from "@connectrpc/connect";
import { isSignInNeeded } from "@/api/errors";
import { currentSession, type SignIn } from "@/api/session";

/** With the token refused: renew it, then have the person sign in, then give up. */
const ATTEMPTS = 3;

/**
 * Sets `authorization` and `ingestor-tenant`: the chosen tenant, or a fixed one. A call whose token is refused is repeated with another one; a
 * stream that is cut because its token has ended fails only once there is another token, so that whoever
 * follows it can open it again.
 */
export function authorize(fixedTenant?: string): Interceptor {
  return (next) => async (request) => {
    const { signIn, tenant: chosen } = currentSession();
    if (signIn === null) return next(request);
    const tenant = fixedTenant ?? chosen;
    if (tenant !== "") request.header.set("ingestor-tenant", tenant);
    return request.stream ? callStream(next, request, signIn) : callUnary(next, request, signIn);
  };
}

type Next = Parameters<Interceptor>[0];

async function callUnary(next: Next, request: UnaryRequest, signIn: SignIn): Promise<UnaryResponse> {
  let token = await signIn.token();
  for (let attempt = 1; ; attempt += 1) {
    request.header.set("authorization", `Bearer ${token}`);
    try {
      return (await next(request)) as UnaryResponse;
    } catch (error) {
      if (!isSignInNeeded(error) || attempt === ATTEMPTS) throw error;
      token = await signIn.replace(token, attempt > 1);
    }
  }
}

async function callStream(next: Next, request: StreamRequest, signIn: SignIn): Promise<StreamResponse> {
  // A request can be sent once only; a browser sends a single message.
  const sent: MessageShape<DescMessage>[] = [];
  for await (const message of request.message) sent.push(message);
  let token = await signIn.token();
  let attempt = 1;

  const open = async (): Promise<StreamResponse> => {
    for (; ; attempt += 1) {
      request.header.set("authorization", `Bearer ${token}`);
      try {
        return (await next({ ...request, message: iterate(sent) })) as StreamResponse;
      } catch (error) {
        if (!isSignInNeeded(error) || attempt === ATTEMPTS) throw error;
        token = await signIn.replace(token, attempt > 1);
      }
    }
  };
  async function* read(first: StreamResponse): StreamResponse["message"] {
    for (let response = first; ; attempt += 1) {
      let heard = false;
      try {
        for await (const message of response.message) {
          heard = true;
          yield message;
        }
        return;
      } catch (error) {
        if (!isSignInNeeded(error) || (!heard && attempt === ATTEMPTS)) throw error;
        token = await signIn.replace(token, !heard && attempt > 1);
        if (heard) throw error;
        response = await open();
      }
    }
  }
  const response = await open();
  return { ...response, message: read(response) };
}

async function* iterate<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items;
}
