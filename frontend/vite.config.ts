import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The gateway of a running suite; `ingestor up` prints its address.
const gateway = process.env.INGESTOR_GATEWAY ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  server: { proxy: { "/ingestor.v1.": gateway, "/config.json": gateway } },
  // `vite preview` is for looking; it sends the same policy as `python -m ingestor.web`.
  preview: {
    headers: {
      "Content-Security-Policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
    proxy: { "/ingestor.v1.": gateway, "/config.json": gateway },
  },
  worker: { format: "es" },
  // Nothing is inlined: the page's Content-Security-Policy knows no data: addresses.
  build: { target: "es2023", assetsInlineLimit: 0, manifest: true, sourcemap: false },
  test: {
    environment: "node",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/test-setup.ts"],
    testTimeout: 60_000, // for machines that have other work
  },
});
