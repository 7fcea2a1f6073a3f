import { Button, CopyButton } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type Process, ProcessState } from "@/api/contract";
import { isTerminal } from "@/lib/states";
import classes from "./Loaded.module.css";
import { tableQuery } from "./queries";
import { rowsWords } from "./rows-words";

/** Where the rows of a process are: the table, how many rows it has, and a SELECT of those of the process. */
export function TableFact({ process }: { readonly process: Process }) {
  const ended = isTerminal(process.state);
  const counts = `${ProcessState[process.state]} ${ended ? process.counts?.succeeded : ""}`;
  const { data } = useQuery(tableQuery(process.info?.processId ?? "", counts, ended));
  return (
    <div className={classes.table}>
      <h3>In the table</h3>
      {data === undefined ? (
        <p className="muted">&nbsp;</p>
      ) : data.table === "" ? (
        <p>{data.unreadable}</p>
      ) : (
        <>
          <p>
            <code>{data.table}</code> {rowsWords(data)}
          </p>
          {data.selectSql === "" ? (
            data.unreadable !== "" && <p>{data.unreadable}</p>
          ) : (
            <Select sql={data.selectSql} />
          )}
        </>
      )}
    </div>
  );
}

function Select({ sql }: { readonly sql: string }) {
  return (
    <div className={classes.select}>
      <code>{sql}</code>
      <CopyButton value={sql}>
        {({ copied, copy }) => (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={copied ? <IconCheck size={14} aria-hidden /> : <IconCopy size={14} aria-hidden />}
            onClick={copy}
          >
            {copied ? "Copied" : "Copy SELECT"}
          </Button>
        )}
      </CopyButton>
    </div>
  );
}
