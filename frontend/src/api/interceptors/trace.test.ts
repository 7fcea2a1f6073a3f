import { createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { StatusService } from "@/api/contract";
import { TRACEPARENT, Trace, traced } from "./trace";

const FORM = /^00-([0-9a-f]{32})-[0-9a-f]{16}-0([01])$/;

function partsOf(header: string | undefined): { id: string; recorded: boolean } {
  const parts = FORM.exec(header ?? "");
  if (parts === null) throw new Error(`no traceparent: ${header}`);
  return { id: parts[1] ?? "", recorded: parts[2] === "1" };
}

it("gives each call a trace, unless it has one", async () => {
  const seen: string[] = [];
  const transport = createRouterTransport(
    ({ service }) => {
      service(StatusService, {
        listProcesses: (_, { requestHeader }) => {
          seen.push(requestHeader.get(TRACEPARENT) ?? "");
          return {};
        },
      });
    },
    { transport: { interceptors: [traced] } },
  );
  const client = createClient(StatusService, transport);
  const own = new Trace().call();
  await client.listProcesses({});
  await client.listProcesses({});
  await client.listProcesses({}, { headers: { [TRACEPARENT]: own } });
  expect(seen[2]).toBe(own);
  expect(new Set(seen.map((header) => partsOf(header).id)).size).toBe(3);
});

it("asks for all of the first pieces of a trace, and for 16 in each doubling", () => {
  const trace = new Trace();
  const calls = Array.from({ length: 256 }, () => partsOf(trace.piece()));
  expect(new Set(calls.map(({ id }) => id)).size).toBe(1);
  const numbers = calls.flatMap(({ recorded }, at) => (recorded ? [at + 1] : []));
  const between = (from: number, to: number) =>
    numbers.filter((number) => number >= from && number < to).length;
  expect([between(1, 32), between(32, 64), between(64, 128), between(128, 256)]).toEqual([31, 16, 16, 16]);
});
