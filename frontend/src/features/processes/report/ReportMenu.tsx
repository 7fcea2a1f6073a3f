import { Button } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";
import type { Process } from "@/api/contract";
import { toNumber } from "@/lib/proto";

const ReportDialog = lazy(() =>
  import("./ReportDialog").then(({ ReportDialog }) => ({ default: ReportDialog })),
);

/** Downloads the report of a process. */
export function ReportMenu({ process }: { readonly process: Process }) {
  const [opened, setOpened] = useState(false);
  const [wanted, setWanted] = useState(false);
  if (process.expired || toNumber(process.counts?.read) === 0) return null;
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconDownload size={16} stroke={1.75} aria-hidden />}
        onClick={() => {
          setWanted(true);
          setOpened(true);
        }}
      >
        Report
      </Button>
      {wanted && (
        <Suspense fallback={null}>
          <ReportDialog opened={opened} process={process} onClose={() => setOpened(false)} />
        </Suspense>
      )}
    </>
  );
}
