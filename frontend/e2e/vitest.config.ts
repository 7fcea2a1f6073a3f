import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Chromium against the running suite at INGESTOR_PAGE. One test at a time, because they measure.
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  cacheDir: fileURLToPath(new URL("../node_modules/.vite-e2e", import.meta.url)),
  test: {
    include: ["**/*.test.ts"],
    environment: "node",
    testTimeout: 180_000,
    hookTimeout: 60_000,
    // expect.poll
    expect: { poll: { timeout: 60_000, interval: 50 } },
    fileParallelism: false,
    maxWorkers: 1,
    // The files share modules, and so one Chromium.
    isolate: false,
    reporters: ["verbose"],
  },
});
