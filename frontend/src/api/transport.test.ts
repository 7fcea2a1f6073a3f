import { createClient } from "@connectrpc/connect";
import { afterEach, expect, it, vi } from "vitest";
import { UploadService } from "./contract";
import { createPageTransport } from "./transport";

afterEach(() => vi.unstubAllGlobals());

it.each([
  [1024 * 1024, true],
  [10, false],
])("sends a piece of %i bytes whole, as a Blob: %s", async (size, isBlob) => {
  const bodies: unknown[] = [];
  vi.stubGlobal("fetch", async (_: unknown, init: RequestInit) => {
    bodies.push(init.body);
    return new Response(null, { status: 503 });
  });
  const client = createClient(UploadService, createPageTransport({ baseUrl: "http://suite", tenant: "t" }));
  const data = new Uint8Array(size).fill(7);
  await client.writeChunk({ chunk: { data } }, { timeoutMs: 100 }).catch(() => undefined);
  const sent = bodies[0] as Blob | Uint8Array<ArrayBuffer>;
  expect(sent instanceof Blob).toBe(isBlob);
  const bytes = new Uint8Array(await new Blob([sent]).arrayBuffer());
  expect(bytes.length).toBeGreaterThan(size);
  expect(bytes.filter((byte) => byte === 7).length).toBeGreaterThanOrEqual(size);
});
