/** Checks a file before any of it is sent. */

/** How many bytes `refuse` needs. */
export const HEAD_BYTES = 512;

interface Magic {
  readonly bytes: readonly number[];
  readonly at?: number;
  readonly kind: string;
}

/**
 * Files that people drop by mistake, by their first bytes. Whether a text file holds a table is for the
 * server to decide.
 */
const NO_TABLES: readonly Magic[] = [
  { bytes: [0x25, 0x50, 0x44, 0x46], kind: "a PDF document" },
  { bytes: [0x89, 0x50, 0x4e, 0x47], kind: "a PNG picture" },
  { bytes: [0xff, 0xd8, 0xff], kind: "a JPEG picture" },
  { bytes: [0x47, 0x49, 0x46, 0x38], kind: "a GIF picture" },
  { bytes: [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1], kind: "an old Excel or Word file" },
  { bytes: [0x7f, 0x45, 0x4c, 0x46], kind: "a program" },
  { bytes: [0x4d, 0x5a, 0x90, 0x00], kind: "a program" },
  { bytes: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], kind: "a 7z archive" },
  { bytes: [0x52, 0x61, 0x72, 0x21, 0x1a, 0x07], kind: "a RAR archive" },
  { bytes: [0x42, 0x5a, 0x68], kind: "a bzip2 file" },
  { bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], kind: "an xz file" },
  { bytes: [0x66, 0x74, 0x79, 0x70], at: 4, kind: "a video" },
  { bytes: [0x53, 0x51, 0x4c, 0x69, 0x74, 0x65, 0x20, 0x66], kind: "an SQLite database" },
];

/** Why a file is not worth sending, as a sentence; null when it may be sent. */
export function refuse(size: number, head: Uint8Array): string | null {
  if (size === 0) return "The file is empty.";
  const magic = NO_TABLES.find(({ bytes, at = 0 }) =>
    bytes.every((byte, index) => head[at + index] === byte),
  );
  if (magic === undefined) return null;
  return `This is ${magic.kind}. Upload CSV, TSV, JSON, JSON Lines, .xlsx or Parquet, plain or compressed with gzip, zstd or zip.`;
}
