import { create } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type HandlerContext,
} from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { ProcessEventSchema, StatusService } from "@/api/contract";
import { type SignIn, sessionScope, setSession } from "@/api/session";
import { authorize } from "./authorize";

const REFUSED = new ConnectError("The token has expired.", Code.Unauthenticated);

/** Hands out "t1"; every replacement is the next one. */
class Tokens implements SignIn {
  readonly subject = "ada";
  readonly asked: (readonly [string, boolean])[] = [];
  private current = 1;

  async token() {
    return `t${this.current}`;
  }

  async replace(refused: string, again: boolean) {
    this.asked.push([refused, again]);
    if (refused === `t${this.current}`) this.current += 1;
    return this.token();
  }

  async freshen() {}
}

/** A service that accepts a token only once `accepted` says so; records what it was sent. */
function service(accepted: (token: string) => boolean, events?: (token: string) => AsyncIterable<bigint>) {
  const calls: { token: string; tenant: string; filter: string }[] = [];
  const admit = ({ requestHeader }: HandlerContext, filter: string) => {
    const token = (requestHeader.get("authorization") ?? "").replace("Bearer ", "");
    calls.push({ token, tenant: requestHeader.get("ingestor-tenant") ?? "", filter });
    if (!accepted(token)) throw REFUSED;
    return token;
  };
  const transport = createRouterTransport(
    ({ service }) => {
      service(StatusService, {
        listProcesses: ({ filter }, context) => {
          admit(context, filter);
          return {};
        },
        async *watchEvents({ afterSequence }, context) {
          const token = admit(context, String(afterSequence));
          for await (const sequence of events?.(token) ?? []) {
            yield { events: [create(ProcessEventSchema, { sequence })] };
          }
        },
      });
    },
    { transport: { interceptors: [authorize()] } },
  );
  return { calls, client: createClient(StatusService, transport) };
}

afterEach(() => setSession({ signIn: null, tenant: "" }));

describe("a call", () => {
  it("has neither token nor tenant where nobody signs in", async () => {
    const { calls, client } = service(() => true);
    await client.listProcesses({});
    expect(calls).toEqual([{ token: "", tenant: "", filter: "" }]);
  });

  it("has the token and the chosen tenant", async () => {
    setSession({ signIn: new Tokens(), tenant: "acme" });
    const { calls, client } = service(() => true);
    await client.listProcesses({});
    expect(calls).toEqual([{ token: "t1", tenant: "acme", filter: "" }]);
  });

  it("is repeated with a renewed token, without being lost", async () => {
    const tokens = new Tokens();
    setSession({ signIn: tokens });
    const { calls, client } = service((token) => token === "t2");
    await client.listProcesses({ filter: "state=FAILED" });
    expect(calls.map(({ token, filter }) => [token, filter])).toEqual([
      ["t1", "state=FAILED"],
      ["t2", "state=FAILED"],
    ]);
    expect(tokens.asked).toEqual([["t1", false]]);
  });

  it("has the person sign in when renewing did not help, and then gives up", async () => {
    const tokens = new Tokens();
    setSession({ signIn: tokens });
    const { client } = service(() => false);
    await expect(client.listProcesses({})).rejects.toThrow("The token has expired.");
    expect(tokens.asked).toEqual([
      ["t1", false],
      ["t2", true],
    ]);
  });

  it("that fails otherwise is not repeated", async () => {
    const tokens = new Tokens();
    setSession({ signIn: tokens });
    const { calls, client } = service(() => {
      throw new ConnectError("no", Code.PermissionDenied);
    });
    await expect(client.listProcesses({})).rejects.toThrow("no");
    expect(calls).toHaveLength(1);
    expect(tokens.asked).toEqual([]);
  });
});

describe("a stream", () => {
  async function heard(client: ReturnType<typeof service>["client"]) {
    const sequences: bigint[] = [];
    let error: unknown;
    try {
      for await (const { events } of client.watchEvents({ afterSequence: 7n })) {
        sequences.push(...events.map(({ sequence }) => sequence));
      }
    } catch (thrown) {
      error = thrown;
    }
    return { sequences, error };
  }

  it("that is refused is opened again with the same request", async () => {
    setSession({ signIn: new Tokens() });
    const { calls, client } = service(
      (token) => token === "t2",
      async function* () {
        yield 8n;
      },
    );
    expect(await heard(client)).toEqual({ sequences: [8n], error: undefined });
    expect(calls.map(({ token, filter }) => [token, filter])).toEqual([
      ["t1", "7"],
      ["t2", "7"],
    ]);
  });

  it("that outlives its token fails once there is another one", async () => {
    const tokens = new Tokens();
    setSession({ signIn: tokens });
    const { client } = service(
      () => true,
      async function* () {
        yield 8n;
        throw REFUSED;
      },
    );
    const { sequences, error } = await heard(client);
    expect(sequences).toEqual([8n]);
    expect(ConnectError.from(error).code).toBe(Code.Unauthenticated);
    expect(await tokens.token()).toBe("t2");
  });

  it("that is always refused gives up", async () => {
    const tokens = new Tokens();
    setSession({ signIn: tokens });
    const { calls, client } = service(() => false);
    expect(ConnectError.from((await heard(client)).error).code).toBe(Code.Unauthenticated);
    expect(calls).toHaveLength(3);
    expect(tokens.asked.map(([, again]) => again)).toEqual([false, true]);
  });
});

it("keeps what a browser remembers of people and tenants apart", () => {
  const signIn = new Tokens();
  const scopes = [
    sessionScope({ signIn: null, tenant: "" }),
    sessionScope({ signIn, tenant: "acme" }),
    sessionScope({ signIn, tenant: "globex" }),
    sessionScope({ signIn: { ...signIn, subject: "bob" } as unknown as SignIn, tenant: "acme" }),
  ];
  expect(new Set(scopes).size).toBe(4);
  expect(scopes[0]).toBe("");
});
