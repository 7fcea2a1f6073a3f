import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useState } from "react";
import { createQueryClient } from "@/api/query-client";
import { Gate, useSession } from "@/features/access";
import { createPageRouter } from "./router";
import { theme } from "./theme";

export function App() {
  return (
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      withCssVariables={false}
      withGlobalClasses={false}
      env={import.meta.env.MODE === "test" ? "test" : "default"}
    >
      <Gate>
        <Screens />
      </Gate>
    </MantineProvider>
  );
}

/** Another tenant starts over: nothing of the last one stays in a screen or a cache. */
function Screens() {
  const { generation } = useSession();
  return <ScreensOfTenant key={generation} />;
}

function ScreensOfTenant() {
  const [queryClient] = useState(createQueryClient);
  const [router] = useState(createPageRouter);
  return (
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  );
}
