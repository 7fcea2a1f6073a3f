"""Looks at single records of a slice: their cells, and why they are rejected."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestor.outcomes import RejectedRow, RejectedState, RowError
from ingestor.tabular.limits import Limits
from ingestor.tabular.records.exact import read_exact
from ingestor.tabular.records.foreign_byte import described
from ingestor.tabular.records.scan import Int64Array, RecordScan
from ingestor.tabular.records.syntax import UTF8_BOM, BrokenKind, Dialect, line_end_size
from ingestor.tabular.text_table import BOM_IN_RECORD

MAX_TEXT_CHARACTERS = 1024


class SliceRecords:
    """The records of a slice, by their index in its scan."""

    def __init__(
        self,
        data: bytes,
        scan: RecordScan,
        dialect: Dialect,
        limits: Limits,
        first_row: int,
        first_line: int,
        byte_start: int | None,
    ) -> None:
        self._data = data
        self._scan = scan
        self._dialect = dialect
        self._limits = limits
        self._first_row = first_row
        self._first_line = first_line
        self._byte_start = byte_start
        self._quote, self._delimiter = dialect.quote.encode(), dialect.delimiter.encode()

    def contents(self, indices: Int64Array) -> Iterator[bytes]:
        """The bytes of these records, without their line ends."""
        values = np.frombuffer(self._data, np.uint8)
        starts, ends = self._scan.starts[indices], self._scan.ends[indices]
        for mark in (10, 13):  # a line feed, with or without a carriage return before it, or that alone
            ends = ends - ((ends > starts) & (values[ends - 1] == mark))
        data = self._data
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            yield data[start:end]

    def cells(self, content: bytes) -> tuple[bytes, ...]:
        """Cells of the bytes of a record that is neither broken nor blank."""
        if self._quote not in content:
            return tuple(content.split(self._delimiter))
        try:  # it takes a tenth of the time
            [texts] = csv.reader(
                [content.decode("latin-1")], delimiter=self._dialect.delimiter,
                quotechar=self._dialect.quote, strict=True,
            )  # fmt: skip
            return tuple([text.encode("latin-1") for text in texts])
        except csv.Error:  # a cell of more than csv.field_size_limit()
            cells = next(read_exact(content, self._dialect, limits=self._limits)).cells
        assert cells is not None, "the scan found the record whole"
        return cells

    def width(self, candidates: Int64Array, least: int) -> int:
        """Number of cells of the first candidate, if it is more than `least`."""
        found = len(self.cells(self._content(int(candidates[0])))) if candidates.size else 0
        return found if least < found <= self._limits.max_columns else least

    def holds_nothing(self, content: bytes, nulls: object) -> bool:
        """Whether the bytes of a record whose cells are all blank or null hold nothing: where nulls are told
        by their quotes, neither quotes nor words."""
        return nulls is None or not content.strip(b" \t" + self._delimiter)

    def joined(self, indices: Sequence[int]) -> bytes:
        """The bytes of these records, one after another."""
        return b"".join(self._content(index) + b"\n" for index in indices)

    @property
    def dialect(self) -> Dialect:
        """How their cells are separated."""
        return self._dialect

    def blank(self) -> Iterator[RejectedRow]:
        """The blank records."""
        errors = (RowError("blank-row", "", "", "The record is blank.", "parse"),)
        lines = self._scan.lines[self._scan.blank].tolist()
        for index, line in zip(self._scan.blank.tolist(), lines, strict=True):
            yield RejectedRow(self._first_row + index, self._first_line + line, "skipped", errors, ())

    def empty(self, index: int) -> RejectedRow:
        """A record whose cells are all empty."""
        return self._rejected(index, "skipped", "blank-row", "The record is blank.", (), self._text(index))

    def marked(self) -> Iterator[RejectedRow]:
        """The records that begin with a byte order mark."""
        values, starts = np.frombuffer(self._data, np.uint8), self._scan.starts
        for index in np.flatnonzero(values[starts] == UTF8_BOM[0]).tolist():
            if self._data.startswith(UTF8_BOM, int(starts[index])):
                yield self._failed(index, "encoding-error", BOM_IN_RECORD)

    def broken(self) -> Iterator[RejectedRow]:
        """The records that cannot be split."""
        what = {
            BrokenKind.QUOTE: (
                "quote-error",
                "A quote stands inside an unquoted cell, or text follows a closing quote.",
            ),
            BrokenKind.UNCLOSED: (
                "quote-error",
                "A quoted cell is open at the end of the line and is never properly closed.",
            ),
            BrokenKind.TOO_LONG: (
                "record-too-long",
                f"The record is longer than {self._limits.max_record_bytes} bytes.",
            ),
        }
        for index, kind in zip(self._scan.broken.tolist(), self._scan.broken_kind.tolist(), strict=True):
            yield self._failed(index, *what[BrokenKind(kind)])

    def undecodable(self) -> Iterator[RejectedRow]:
        """The records that are not UTF-8 or hold NUL, and are not broken."""
        suspects: list[npt.NDArray[np.int64]] = []
        values = np.frombuffer(self._data, np.uint8)
        if not _is_utf8(self._data):
            suspects.append(np.flatnonzero(values >= 0x80))
        if b"\0" in self._data:
            suspects.append(np.flatnonzero(values == 0))
        if not suspects:
            return
        owners = np.unique(self._scan.ends.searchsorted(np.concatenate(suspects), side="right"))
        for index in np.setdiff1d(owners, self._scan.broken).tolist():
            if message := _undecodable(self._content(index)):
                yield self._failed(index, "encoding-error", message)

    def wrong_width(
        self, found: Sequence[tuple[int, bytes, Sequence[bytes]]], expected: int
    ) -> Iterator[RejectedRow]:
        """Records, as index, bytes and cells, whose number of cells is not the header's."""
        at = np.array([index for index, _, _ in found], np.int64)
        rows, lines = (at + self._first_row).tolist(), (self._scan.lines[at] + self._first_line).tolist()
        starts = None if self._byte_start is None else (self._scan.starts[at] + self._byte_start).tolist()
        for position, (_, content, cells) in enumerate(found):
            count = len(cells)
            if count < expected:
                code, message = "missing-cell", f"The record has {count} of {expected} cells."
            else:
                code, message = "extra-cell", f"The record has {count} cells, the header has {expected}."
            if starts:
                message += _begins(starts[position])
            # Its bytes are text without NUL: else the record is rejected for that.
            text = content[: 4 * MAX_TEXT_CHARACTERS].decode(errors="ignore")[:MAX_TEXT_CHARACTERS]
            yield RejectedRow(
                rows[position], lines[position], "failed", (RowError(code, "", text, message, "parse"),),
                tuple([cell.decode() for cell in cells]),
            )  # fmt: skip

    def _failed(self, index: int, code: str, message: str) -> RejectedRow:
        return self._rejected(index, "failed", code, message + self._where(index), (), self._text(index))

    def _where(self, index: int) -> str:
        if self._byte_start is None:
            return ""
        return _begins(self._byte_start + int(self._scan.starts[index]))

    def _rejected(
        self, index: int, state: RejectedState, code: str, message: str, cells: tuple[str, ...], text: str
    ) -> RejectedRow:
        line = self._first_line + int(self._scan.lines[index])
        return RejectedRow.by_reader(self._first_row + index, line, state, code, message, cells, text)

    def _content(self, index: int) -> bytes:
        record = self._data[self._scan.starts[index] : self._scan.ends[index]]
        return record[: len(record) - line_end_size(record)]

    def _text(self, index: int) -> str:
        # A character has at most 4 bytes, so one that the cut splits is not among those shown.
        text = self._content(index)[: 4 * MAX_TEXT_CHARACTERS].decode(errors="backslashreplace")
        return text.replace("\0", "\\x00")[:MAX_TEXT_CHARACTERS]


def _begins(start: int) -> str:
    return f" It begins at byte {start} of the file's text."


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    # Arrow validates the whole slice as one string, without a copy.
    offsets = pa.py_buffer(np.array([0, len(data)], np.int64).tobytes())
    whole = pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(data))
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _undecodable(content: bytes) -> str | None:
    """Why a record is not text; None when it is."""
    nul = content.find(b"\0")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        if nul < 0 or error.start < nul:
            byte = described(content[error.start])
            return (
                f"Byte {byte} at offset {error.start} of the record is not UTF-8. If the whole file is in "
                "another encoding, declare it."
            )
    return None if nul < 0 else f"The record holds a NUL byte at offset {nul}."
