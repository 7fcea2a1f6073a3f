/** Saves what is downloaded: streamed to disk where the browser allows it, else kept until it is complete. */

/** Where the bytes go. */
export interface FileSink {
  write(data: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The file is complete. */
  close(): Promise<void>;
  /** The file will never be complete. */
  abort(): Promise<void>;
}

/** Keeps the chunks and passes them to the browser's downloads at the end. */
function blobSink(fileName: string, type: string): FileSink {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  return {
    async write(data) {
      parts.push(data);
    },
    async close() {
      const url = URL.createObjectURL(new Blob(parts, { type }));
      const link = document.createElement("a");
      link.href = url;
      link.download = fileName;
      link.click();
      // By then the browser has started to read it.
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    },
    async abort() {
      parts.length = 0;
    },
  };
}

interface SavePicker {
  showSaveFilePicker?: (options: {
    suggestedName: string;
    types: { description: string; accept: Record<string, string[]> }[];
  }) => Promise<FileSystemFileHandle>;
}

/**
 * Asks where to save and streams to that file, so that memory use stays flat. Browsers without such a dialog
 * get a blob. Null: the person closed the dialog.
 */
export async function openSink(fileName: string, type: string, extension: string): Promise<FileSink | null> {
  const { showSaveFilePicker } = globalThis as SavePicker;
  if (showSaveFilePicker === undefined) return blobSink(fileName, type);
  let file: FileSystemFileHandle;
  try {
    file = await showSaveFilePicker.call(globalThis, {
      suggestedName: fileName,
      types: [{ description: "Table", accept: { [type]: [extension] } }],
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    return blobSink(fileName, type);
  }
  const stream = await file.createWritable();
  return {
    write: (data) => stream.write(data),
    close: () => stream.close(),
    abort: () => stream.abort(),
  };
}
