/** All routes. Screens are loaded on demand; what they show is in the address. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import {
  accessSearch,
  mapSearch,
  overviewSearch,
  pipelineSearch,
  pipelinesSearch,
  processesSearch,
  processSearch,
} from "@/lib/search";
import { NotFound } from "./NotFound";
import { Shell } from "./Shell";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const overview = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: overviewSearch,
  component: lazyRouteComponent(() => import("@/features/overview/OverviewPage"), "OverviewPage"),
});

const upload = createRoute({
  getParentRoute: () => root,
  path: "/upload",
  component: lazyRouteComponent(() => import("@/features/upload/UploadPage"), "UploadPage"),
});

const mapping = createRoute({
  getParentRoute: () => root,
  path: "/upload/$uploadId",
  validateSearch: mapSearch,
  component: lazyRouteComponent(() => import("@/features/upload/MapPage"), "MapPage"),
});

const processes = createRoute({
  getParentRoute: () => root,
  path: "/processes",
  validateSearch: processesSearch,
  component: lazyRouteComponent(() => import("@/features/processes/ProcessesPage"), "ProcessesPage"),
});

const process = createRoute({
  getParentRoute: () => root,
  path: "/processes/$processId",
  validateSearch: processSearch,
  component: lazyRouteComponent(() => import("@/features/processes/ProcessPage"), "ProcessPage"),
});

const pipelines = createRoute({
  getParentRoute: () => root,
  path: "/pipelines",
  validateSearch: pipelinesSearch,
  component: lazyRouteComponent(() => import("@/features/pipelines/PipelinesPage"), "PipelinesPage"),
});

const pipeline = createRoute({
  getParentRoute: () => root,
  path: "/pipelines/$name",
  validateSearch: pipelineSearch,
  component: lazyRouteComponent(() => import("@/features/pipelines/PipelinePage"), "PipelinePage"),
});

const access = createRoute({
  getParentRoute: () => root,
  path: "/access",
  validateSearch: accessSearch,
  component: lazyRouteComponent(() => import("@/features/access/AccessPage"), "AccessPage"),
});

export function createPageRouter() {
  return createRouter({
    routeTree: root.addChildren([overview, upload, mapping, processes, process, pipelines, pipeline, access]),
    defaultPreload: "intent",
    scrollRestoration: true,
    defaultPendingMinMs: 0,
    defaultPendingComponent: LoadingState,
    defaultErrorComponent: ({ error, reset }) => <ErrorState error={error} onRetry={reset} />,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createPageRouter>;
  }
}
