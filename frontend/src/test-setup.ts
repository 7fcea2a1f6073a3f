/** For tests of components, which begin with "@vitest-environment jsdom". */
import { afterEach, vi } from "vitest";

if (typeof document !== "undefined") {
  const { cleanup, configure } = await import("@testing-library/react");
  afterEach(cleanup);
  configure({ asyncUtilTimeout: 20_000 }); // for machines that have other work

  // What Mantine asks of a browser and jsdom lacks.
  Object.defineProperty(globalThis, "matchMedia", {
    configurable: true,
    value: vi.fn((query: string) => ({
      matches: false,
      media: query,
      addEventListener: vi.fn(),
      removeEventListener: vi.fn(),
    })),
  });
  globalThis.ResizeObserver ??= class {
    observe() {}
    unobserve() {}
    disconnect() {}
  };
}
