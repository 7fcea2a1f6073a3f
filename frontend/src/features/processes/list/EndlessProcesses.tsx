import { useMediaQuery } from "@mantine/hooks";
import type { Process } from "@/api/contract";
import { EndlessTable } from "@/components/EndlessTable";
import { LINE_HEIGHT, PHONE_LINE_HEIGHT, ProcessLine, ProcessTableHead } from "../ProcessTable";
import table from "../ProcessTable.module.css";

interface EndlessProcessesProps {
  readonly processes: readonly Process[];
  readonly more: boolean;
  readonly onMore: () => void;
}

/** All processes, as far as the person scrolls. */
export function EndlessProcesses({ processes, more, onMore }: EndlessProcessesProps) {
  const phone = useMediaQuery("(max-width: 760px)", undefined, { getInitialValueInEffect: false });
  return (
    <EndlessTable
      label="Processes"
      className={table.table}
      head={<ProcessTableHead />}
      items={processes}
      lineHeight={phone ? PHONE_LINE_HEIGHT : LINE_HEIGHT}
      line={(process, style, rowIndex) => (
        <ProcessLine key={process.info?.processId} process={process} style={style} rowIndex={rowIndex} />
      )}
      more={more}
      onMore={onMore}
    />
  );
}
