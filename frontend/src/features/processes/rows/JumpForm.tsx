import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { statusClient } from "@/api/clients";
import type { Process } from "@/api/contract";
import { describeError } from "@/api/errors";
import { formatCount } from "@/lib/format";
import { toNumber } from "@/lib/proto";
import { boundariesQuery } from "../queries";
import { rowOfLine } from "./lines";
import classes from "./Rows.module.css";

interface JumpFormProps {
  readonly process: Process;
  readonly onJump: (rowNumber: number) => void;
}

/** Goes to a row by its number, or by its line in the file. */
export function JumpForm({ process, onJump }: JumpFormProps) {
  const queryClient = useQueryClient();
  const [by, setBy] = useState<"row" | "line">("row");
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ readonly text: string; readonly bad: boolean } | null>(null);
  const read = toNumber(process.counts?.read);

  const jump = async (event: FormEvent) => {
    event.preventDefault();
    const number = Number(text.replaceAll(/[\s,.'’_]/g, ""));
    if (!Number.isSafeInteger(number) || number < 1) {
      setSaid({ text: `Enter a ${by} number.`, bad: true });
      return;
    }
    setSaid(null);
    if (by === "row") {
      if (number > read) setSaid({ text: `There are only ${formatCount(read)} rows.`, bad: true });
      else onJump(number);
      return;
    }
    setBusy(true);
    try {
      const found = await find(number);
      if (found === null) setSaid({ text: "There is no row on that line.", bad: true });
      else {
        onJump(found.rowNumber);
        setSaid({
          text: `Line ${formatCount(number)} is ${found.exact ? "" : "at or near "}row ${formatCount(found.rowNumber)}.`,
          bad: false,
        });
      }
    } catch (error) {
      setSaid({ text: describeError(error).title, bad: true });
    } finally {
      setBusy(false);
    }
  };

  const find = async (line: number) => {
    const processId = process.info?.processId ?? "";
    const batches = await queryClient.fetchQuery(
      boundariesQuery(processId, Number(process.batchesDispatched)),
    );
    return rowOfLine(line, batches, async (firstRow, lastRow) => {
      const filter = `line>=1 AND row>=${firstRow} AND row<=${lastRow}`;
      const { rows } = await statusClient.listRows({ processId, filter, pageSize: 1000 });
      return rows.map((row) => ({ row: toNumber(row.rowNumber), line: toNumber(row.lineNumber) }));
    });
  };

  return (
    <form className={classes.jump} onSubmit={(event) => void jump(event)} noValidate>
      <NativeSelect
        size="sm"
        aria-label="Go to row or line"
        value={by}
        onChange={(event) => setBy(event.currentTarget.value === "line" ? "line" : "row")}
        data={[
          { value: "row", label: "Row" },
          { value: "line", label: "Line" },
        ]}
      />
      <TextInput
        size="sm"
        className={classes.number}
        aria-label={by === "row" ? "Row number" : "Line number"}
        inputMode="numeric"
        placeholder={by === "row" ? `1 – ${formatCount(Math.max(1, read))}` : "Line"}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Button size="sm" type="submit" variant="default" loading={busy} disabled={text.trim() === ""}>
        Go
      </Button>
      <p role="status" className={said?.bad ? classes.bad : classes.said}>
        {said?.text}
      </p>
    </form>
  );
}
