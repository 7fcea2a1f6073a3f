"""Opens compressed files, with limits against bombs."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import zstandard

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.zip_entries import entry_names
from ingestor.tabular.options import Compression

_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
# How the names of the parts of an Office Open XML package begin.
_PACKAGE = ("[content_types].xml", "_rels/", "xl/", "word/", "ppt/", "docprops/", "customxml/")
_PIECE = 256 * 1024
# What macOS and Windows add to archives.
_JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db")


@dataclass(frozen=True, slots=True)
class ExpansionLimits:
    """Limits on what a file may become, whatever its format: what it holds compressed, and what it is
    converted to."""

    max_bytes: int = 64 * 2**30
    max_ratio: int = 100
    """Expanded to stored size, checked beyond `free_bytes`; ordinary tables stay under it."""
    free_bytes: int = 128 * 2**20
    max_entries: int = 100
    """Entries of a zip archive; one of them is the table."""

    def most(self, size: int) -> int:
        """The bytes that a file of `size` bytes may become."""
        return min(self.max_bytes, max(self.free_bytes, size * self.max_ratio))

    def check(self, size: int, expanded: int) -> None:
        """Raise UnreadableFileError (EXPANDS_TOO_FAR) if a file of `size` bytes may not become so many."""
        if expanded <= self.most(size):
            return
        if expanded > self.max_bytes:
            raise UnreadableFileError(
                "EXPANDS_TOO_FAR", f"The file expands to more than {self.max_bytes} bytes."
            )
        raise UnreadableFileError(
            "EXPANDS_TOO_FAR",
            f"The file expands to more than {self.max_ratio} times its size of {size} bytes "
            f"(and more than {self.free_bytes} bytes, which every file may have).",
        )


# What a record counts at least: it takes room in messages and in the ledger, even if it is empty.
_RECORD_BYTES = 64


class Output:
    """Counts what a file becomes."""

    def __init__(self, size: int, limits: ExpansionLimits) -> None:
        """`size`: bytes of the file."""
        self._size = size
        self._limits = limits
        self._bytes = self._records = 0

    def add(self, size: int, records: int) -> None:
        """Count a piece that follows. Raises UnreadableFileError (EXPANDS_TOO_FAR)."""
        self._bytes += size
        self._records += records
        self._limits.check(self._size, max(self._bytes, self._records * _RECORD_BYTES))


def size_of(file: BinaryIO) -> int:
    """The bytes of an open file; rewinds it."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def detect_compression(head: bytes) -> Compression:
    """By magic bytes. An XLSX workbook, also a zip archive, counts as uncompressed."""
    if head.startswith(_GZIP):
        return "gzip"
    if head.startswith(_ZSTD):
        return "zstd"
    if head.startswith(_ZIP) and not is_workbook(head):
        return "zip"
    return "none"


def is_workbook(head: bytes) -> bool:
    """Whether the file is an Office Open XML package, of whatever program, judged by the first entries of its
    zip archive."""
    return any(name.startswith(_PACKAGE) for name in entry_names(head))


class Expanded(io.RawIOBase):
    """A decompressed stream, read from the start; `seek(0)` rewinds it."""

    def __init__(
        self, file: BinaryIO, compression: Compression, limits: ExpansionLimits, *, partial: bool = False
    ) -> None:
        """`partial`: the end of the compressed data may be missing, so an error after the first expanded
        bytes ends the stream."""
        self._partial = partial
        self._file = file
        self._compression = compression
        self._limits = limits
        self._packed_size = file.seek(0, io.SEEK_END)
        self._begin()

    def _begin(self) -> None:
        self._file.seek(0)
        self._position = 0
        if self._compression == "zip":
            self._inner = _only_entry(self._file, self._limits)
        elif self._compression == "gzip":
            self._inner = cast(BinaryIO, _Gzip(self._file))
        else:
            self._inner = cast(BinaryIO, _Zstd(self._file))

    def readable(self) -> bool:
        """True always."""
        return True

    def readinto(self, buffer: object) -> int:
        """Raises UnreadableFileError when the data are damaged or expand too far."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._inner.read(min(len(view), _PIECE))
        except (zlib.error, EOFError, zstandard.ZstdError, zipfile.BadZipFile, OSError) as error:
            if self._partial and self._position:
                return 0
            raise UnreadableFileError(
                "COMPRESSION_DAMAGED",
                f"The {self._compression} data are damaged after {self._position} expanded bytes.",
            ) from error
        self._position += len(data)
        self._limits.check(self._packed_size, self._position)
        view[: len(data)] = data
        return len(data)

    def seekable(self) -> bool:
        """True, but only to the start."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Rewind, or tell the position; anything else raises io.UnsupportedOperation."""
        if (offset, whence) == (0, io.SEEK_CUR):
            return self._position
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("a compressed file can only be rewound to its start")
        self._begin()
        return 0

    def tell(self) -> int:
        """Expanded bytes read so far."""
        return self._position


class _Gzip:
    """All members of a gzip file. Unlike gzip.GzipFile it does not accept garbage after the last one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(wbits=31)
        self._input = b""
        self._ended = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        while not self._ended:
            if not self._input:
                self._input = self._file.read(_PIECE)
            if self._inflate.eof:
                if not self._input:
                    self._ended = True
                    break
                self._inflate = zlib.decompressobj(wbits=31)
            elif not self._input:
                raise EOFError("gzip data end early")
            data = self._inflate.decompress(self._input, size)
            self._input = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if data:
                return data
        return b""


class _Zstd:
    """All frames of a zstd file. Unlike zstandard's stream_reader it notices that the last one is cut off."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=2**27)
        self._frame: Any = None
        self._input = b""
        self._output = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        while not self._output:
            if not self._input:
                # Few bytes, so that one call expands to 32 MiB at most.
                self._input = self._file.read(1024)
            if not self._input:
                if self._frame is not None:
                    raise EOFError("zstd data end early")
                return b""
            if self._frame is None:
                self._frame = self._decompressor.decompressobj()
            self._output = memoryview(self._frame.decompress(self._input))
            self._input = b""
            if self._frame.eof:
                self._input, self._frame = self._frame.unused_data, None
        data, self._output = bytes(self._output[:size]), self._output[size:]
        return data


def _only_entry(file: BinaryIO, limits: ExpansionLimits) -> BinaryIO:
    """The only file of an archive, apart from junk."""
    try:
        archive = zipfile.ZipFile(file)
        entries = [
            entry
            for entry in archive.infolist()
            if not entry.is_dir() and not entry.filename.startswith(_JUNK) and _JUNK[1] not in entry.filename
        ]
        if len(archive.infolist()) > limits.max_entries:
            raise UnreadableFileError(
                "ARCHIVE_UNSUITABLE", f"The archive has more than {limits.max_entries} entries."
            )
        if len(entries) != 1:
            raise UnreadableFileError(
                "ARCHIVE_UNSUITABLE", f"The archive holds {len(entries)} files; it must hold exactly one."
            )
        if entries[0].flag_bits & 1:
            raise UnreadableFileError("ARCHIVE_UNSUITABLE", "The archive is encrypted.")
        return cast(BinaryIO, archive.open(entries[0]))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UnreadableFileError("COMPRESSION_DAMAGED", "The zip archive is damaged.") from error


def expanded(
    file: BinaryIO, compression: Compression, limits: ExpansionLimits, *, partial: bool = False
) -> BinaryIO:
    """The file's content, buffered; the file itself when it is not compressed. `partial`: its end may be
    missing. Raises UnreadableFileError."""
    if compression == "none":
        return file
    opened = io.BufferedReader(Expanded(file, compression, limits, partial=partial), _PIECE)
    if detect_compression(opened.peek(4)[:4]) != "none":
        raise UnreadableFileError("ARCHIVE_UNSUITABLE", "The file is compressed more than once.")
    return cast(BinaryIO, opened)
