import { Button } from "@mantine/core";
import { IconCloudUpload } from "@tabler/icons-react";
import { type ChangeEvent, type DragEvent, useRef, useState } from "react";
import classes from "./DropZone.module.css";
import { droppedFiles, type GivenFile, hasPicker, pickFiles } from "./files";

interface DropZoneProps {
  readonly onFiles: (files: readonly GivenFile[]) => void;
  readonly multiple?: boolean;
  /** Shown above the button. */
  readonly title?: string;
  readonly hint?: string;
  readonly compact?: boolean;
  /** Accessible name of the file input. */
  readonly label?: string;
}

/** An area to drop or choose files. */
export function DropZone({
  onFiles,
  multiple = true,
  title = "Drop files here",
  hint = "CSV, TSV, Excel (.xlsx), JSON, JSON Lines or Parquet, plain or compressed with gzip, zstd or zip. Any size: files are sent in pieces. You can also paste rows from a spreadsheet.",
  compact = false,
  label = multiple ? "Files to upload" : "File to upload",
}: DropZoneProps) {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);

  const give = (files: readonly GivenFile[]) => {
    if (files.length > 0) onFiles(multiple ? files : files.slice(0, 1));
  };
  const pick = async () => {
    if (hasPicker()) give(await pickFiles(multiple));
    else input.current?.click();
  };
  const onPicked = (event: ChangeEvent<HTMLInputElement>) => {
    give([...(event.target.files ?? [])].map((file) => ({ file, handle: null })));
    // Lets the same file be picked again.
    event.target.value = "";
  };
  const onDrop = async (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    give(await droppedFiles(event.dataTransfer));
  };

  return (
    <section
      aria-label={title}
      className={classes.zone}
      data-over={over || undefined}
      data-compact={compact || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      }}
      onDrop={(event) => void onDrop(event)}
    >
      {!compact && (
        <div className={classes.icon}>
          <IconCloudUpload size={28} stroke={1.5} aria-hidden />
        </div>
      )}
      <div>
        <p className={classes.title}>{title}</p>
        <p className={classes.hint}>{hint}</p>
      </div>
      <Button onClick={() => void pick()} variant={compact ? "default" : "filled"}>
        {multiple ? "Choose files" : "Choose a file"}
      </Button>
      <input
        ref={input}
        type="file"
        multiple={multiple}
        className="visually-hidden"
        tabIndex={-1}
        aria-label={label}
        onChange={onPicked}
      />
    </section>
  );
}
