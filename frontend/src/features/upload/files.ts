/** Files that people drop or pick, with the browser's handle where it has one. */

export interface GivenFile {
  readonly file: File;
  /** Reopens the same file after a reload; Chromium only. */
  readonly handle: FileSystemFileHandle | null;
}

interface PickerWindow {
  showOpenFilePicker?: (options: { multiple: boolean }) => Promise<FileSystemFileHandle[]>;
}

interface HandledItem {
  getAsFileSystemHandle?: () => Promise<FileSystemHandle | null>;
}

interface AskableHandle {
  queryPermission?: (options: { mode: "read" }) => Promise<PermissionState>;
  requestPermission?: (options: { mode: "read" }) => Promise<PermissionState>;
}

/** Whether the browser's picker returns handles. */
export function hasPicker(): boolean {
  return (globalThis as PickerWindow).showOpenFilePicker !== undefined;
}

/** Opens the picker that returns handles; empty when the person closes it. */
export async function pickFiles(multiple = true): Promise<readonly GivenFile[]> {
  const picker = (globalThis as PickerWindow).showOpenFilePicker;
  if (picker === undefined) return [];
  try {
    const handles = await picker({ multiple });
    return await Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), handle })));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return [];
    throw error;
  }
}

/** The files of a drop. Call it while the event is handled: afterwards its items are gone. */
export function droppedFiles(transfer: DataTransfer): Promise<readonly GivenFile[]> {
  const given = [...transfer.items]
    .filter(({ kind }) => kind === "file")
    .map(async (item): Promise<GivenFile | null> => {
      const file = item.getAsFile();
      const asked = (item as HandledItem).getAsFileSystemHandle?.();
      const handle = await asked?.catch(() => null);
      // A folder has no content of its own.
      if (handle?.kind === "directory" || file === null) return null;
      return { file, handle: handle?.kind === "file" ? (handle as FileSystemFileHandle) : null };
    });
  return Promise.all(given).then((all) => all.filter((one) => one !== null));
}

/**
 * Reopens a file by its handle; the browser may ask for permission. Null when that is denied or the file is
 * gone.
 */
export async function reopen(handle: FileSystemFileHandle): Promise<File | null> {
  const askable = handle as AskableHandle;
  try {
    let permission = (await askable.queryPermission?.({ mode: "read" })) ?? "granted";
    if (permission === "prompt")
      permission = (await askable.requestPermission?.({ mode: "read" })) ?? "denied";
    return permission === "granted" ? await handle.getFile() : null;
  } catch {
    return null;
  }
}
