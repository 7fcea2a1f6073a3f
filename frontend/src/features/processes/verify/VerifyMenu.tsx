import { Button } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";
import { type Process, ProcessorService } from "@/api/contract";
import { useMayAll } from "@/features/access";
import { isTerminal } from "@/lib/states";

const VerifyDialog = lazy(() =>
  import("./VerifyDialog").then(({ VerifyDialog }) => ({ default: VerifyDialog })),
);

/** Verifies a process that has ended. */
export function VerifyMenu({ process }: { readonly process: Process }) {
  const [opened, setOpened] = useState(false);
  const [wanted, setWanted] = useState(false);
  const may = useMayAll();
  if (!isTerminal(process.state) || !may(ProcessorService.method.verifyProcess)) return null;
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconShieldCheck size={16} stroke={1.75} aria-hidden />}
        onClick={() => {
          setWanted(true);
          setOpened(true);
        }}
      >
        Verify
      </Button>
      {wanted && (
        <Suspense fallback={null}>
          <VerifyDialog opened={opened} process={process} onClose={() => setOpened(false)} />
        </Suspense>
      )}
    </>
  );
}
