import { useNavigate } from "@tanstack/react-router";
import { useEffect, useEffectEvent, useState } from "react";
import { droppedFiles, type GivenFile } from "../files";
import classes from "./DropAnywhere.module.css";
import { pastedTable, takesText } from "./pasted";
import { useOpenFiles } from "./use-open-files";

/** Takes files that are dropped anywhere on the page, and rows that are pasted; both become uploads. */
export function DropAnywhere() {
  const open = useOpenFiles();
  const navigate = useNavigate();
  const [over, setOver] = useState(false);

  const give = useEffectEvent((files: readonly GivenFile[]) => {
    if (files.length === 0) return;
    void navigate({ to: "/upload" });
    open(files);
  });

  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const onDragOver = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onDragLeave = (event: DragEvent) => {
      // The pointer has left the window.
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent) => {
      setOver(false);
      // An area of the page has taken it.
      if (event.defaultPrevented || !hasFiles(event) || event.dataTransfer === null) return;
      event.preventDefault();
      void droppedFiles(event.dataTransfer).then(give);
    };
    const onPaste = (event: ClipboardEvent) => {
      if (takesText(event.target) || event.clipboardData === null) return;
      const files = [...event.clipboardData.files];
      const table =
        files.length > 0 ? null : pastedTable(event.clipboardData.getData("text/plain"), new Date());
      const given = table === null ? files : [table];
      if (given.length > 0) event.preventDefault();
      give(given.map((file) => ({ file, handle: null })));
    };
    window.addEventListener("dragover", onDragOver);
    window.addEventListener("dragleave", onDragLeave);
    window.addEventListener("drop", onDrop);
    window.addEventListener("paste", onPaste);
    performance.mark("ingestor-takes-files");
    return () => {
      window.removeEventListener("dragover", onDragOver);
      window.removeEventListener("dragleave", onDragLeave);
      window.removeEventListener("drop", onDrop);
      window.removeEventListener("paste", onPaste);
    };
  }, []);

  return over ? (
    <div className={classes.over}>
      <p>Drop to upload</p>
    </div>
  ) : null;
}
