"""Reads slices of delimited text into columns, with pyarrow.

The scan alone decides which bytes are a record. Records that are broken, blank or not text are cut out before
pyarrow sees the rest. If pyarrow's count of records differs from the scan's, the exact reader reads the
slice, so that cells never move to another row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from ingestor.outcomes import RejectedRow, RejectedState
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.records.exact import read_exact
from ingestor.tabular.records.scan import Int64Array, RecordScan, scan_records
from ingestor.tabular.records.syntax import BrokenKind, Dialect, line_end_size
from ingestor.tabular.text_table import TextTable

MAX_TEXT_CHARACTERS = 1024
_UTF8_BOM = b"\xef\xbb\xbf"


def read_csv_slice(
    data: bytes,
    column_count: int,
    dialect: Dialect,
    limits: Limits = DEFAULT_LIMITS,
    *,
    empty_is_null: bool = False,
    first_row: int = 1,
    first_line: int = 1,
    byte_start: int | None = None,
) -> TextTable:
    """Read whole records (`Slice.data`) of a table whose header has `column_count` cells. With
    `empty_is_null` (normal form) an empty cell is null without quotes and empty text with them.

    The data begin with this row and line of the file and, if they are the file's own text, at `byte_start`
    (from 0): then the message of a failed record says at which byte it begins.

    Rejects a record that breaks the quoting rule, is too long, is blank, is not UTF-8 or holds NUL (which
    PostgreSQL's text cannot store), or has more or fewer cells than the header; its code is that of the first
    that applies. Only rejected records cost work in Python.

    Raises ValueError when `column_count` is less than 1.
    """
    if column_count < 1:
        raise ValueError("a table has at least one column")
    scan = scan_records(data, dialect, final=True, limits=limits)
    records = _Records(data, scan, dialect, limits, first_row, first_line, byte_start)
    rejected = {
        record.row_number - first_row: record
        for record in (*records.blank(), *records.broken(), *records.undecodable())
    }
    kept = np.ones(scan.count, np.bool_)
    kept[list(rejected)] = False
    candidates = np.flatnonzero(kept)

    parsed = _parse_fast(_without(data, scan, kept), column_count, len(candidates), dialect, empty_is_null)
    used_exact_reader = parsed is None
    if parsed is None:
        if empty_is_null:
            raise ValueError("the data are not in normal form")
        parsed = _parse_exactly(records, candidates, column_count)
    wrong_width = candidates[parsed.wrong_width]
    for index in wrong_width.tolist():
        rejected[index] = records.wrong_width(index, column_count)
    kept[wrong_width] = False
    rows = np.flatnonzero(kept)
    return TextTable(
        columns=parsed.columns,
        row_index=rows,
        line_index=scan.lines[rows],
        record_count=scan.count,
        rejected=[rejected[index] for index in sorted(rejected)],
        used_exact_reader=used_exact_reader,
        first_row=first_row,
        first_line=first_line,
    )


@dataclass(frozen=True, slots=True)
class _Parsed:
    columns: list[pa.StringArray]
    wrong_width: Int64Array
    """Positions, among the parsed records, of those with the wrong number of cells; ascending."""


class _Records:
    """Access to single records of the slice, for those that are rejected."""

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

    def cells(self, index: int) -> tuple[bytes, ...]:
        """Cells of a record that is neither broken nor blank."""
        content = self._content(index)
        if self._dialect.quote.encode() not in content:
            return tuple(content.split(self._dialect.delimiter.encode()))
        cells = next(read_exact(content, self._dialect, limits=self._limits)).cells
        assert cells is not None, "the scan found the record whole"
        return cells

    def blank(self) -> Iterator[RejectedRow]:
        """The blank records."""
        for index in self._scan.blank.tolist():
            yield self._rejected(index, "skipped", "blank-row", "The record is blank.", (), "")

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

    def wrong_width(self, index: int, expected: int) -> RejectedRow:
        """A record whose number of cells is not the header's."""
        cells = tuple(cell.decode() for cell in self.cells(index))
        if len(cells) < expected:
            return self._failed(
                index, "missing-cell", f"The record has {len(cells)} of {expected} cells.", cells
            )
        return self._failed(
            index, "extra-cell", f"The record has {len(cells)} cells, the header has {expected}.", cells
        )

    def _failed(self, index: int, code: str, message: str, cells: tuple[str, ...] = ()) -> RejectedRow:
        if self._byte_start is not None:
            start = self._byte_start + int(self._scan.starts[index])
            message += f" It begins at byte {start} of the file's text."
        return self._rejected(index, "failed", code, message, cells, self._text(index))

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
            return f"Byte 0x{content[error.start]:02X} at offset {error.start} of the record is not UTF-8."
    return None if nul < 0 else f"The record holds a NUL byte at offset {nul}."


def _without(data: bytes, scan: RecordScan, kept: npt.NDArray[np.bool_]) -> bytes:
    """The bytes of the kept records."""
    if kept.all():
        return data
    edges = np.flatnonzero(np.diff(kept, prepend=False, append=False))
    # Each run of kept records begins at an even edge and ends before the next one.
    starts, ends = scan.starts[edges[::2]].tolist(), scan.ends[edges[1::2] - 1].tolist()
    view = memoryview(data)
    return b"".join(view[start:end] for start, end in zip(starts, ends, strict=True))


@lru_cache(maxsize=64)
def _convert_options(column_count: int, empty_is_null: bool) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        check_utf8=False,  # done for the slice as a whole
        column_types={name: pa.string() for name in _names(column_count)},
        null_values=[""] if empty_is_null else [],
        strings_can_be_null=empty_is_null,
        quoted_strings_can_be_null=False,
    )


def _names(column_count: int) -> list[str]:
    return [str(position) for position in range(column_count)]


def _parse_fast(
    data: bytes, column_count: int, record_count: int, dialect: Dialect, empty_is_null: bool
) -> _Parsed | None:
    """Parse with pyarrow; None when it does not find exactly `record_count` records."""
    if record_count == 0:
        return _Parsed([_text_array([])] * column_count, np.zeros(0, np.int64))
    if data.startswith(_UTF8_BOM):
        # pyarrow drops a BOM, but here it is part of a cell; double it.
        data = _UTF8_BOM + data
    wrong_width: list[int] = []

    def skip(row: pacsv.InvalidRow) -> Literal["skip"]:
        # With one thread, rows are numbered from 1, skipped ones included.
        wrong_width.append(-1 if row.number is None else row.number - 1)
        return "skip"

    try:
        table = pacsv.read_csv(
            cast(IO[bytes], pa.BufferReader(data)),  # the stubs do not know that this works
            read_options=pacsv.ReadOptions(
                use_threads=False,
                block_size=len(data) + 1,  # one block gives one chunk and continuous row numbers
                column_names=_names(column_count),
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote,
                double_quote=True,
                escape_char=False,
                newlines_in_values=True,
                ignore_empty_lines=True,  # blank records are cut out already
                invalid_row_handler=skip,
            ),
            convert_options=_convert_options(column_count, empty_is_null),
        )
    except pa.ArrowInvalid:
        return None
    positions = np.array(wrong_width, np.int64)
    if table.num_rows + len(positions) != record_count or _out_of_order(positions, record_count):
        return None
    return _Parsed([_one_chunk(column) for column in table.columns], positions)


def _out_of_order(positions: Int64Array, record_count: int) -> bool:
    """Whether the positions fail to ascend within [0, record_count)."""
    if not positions.size:
        return False
    return bool(positions[0] < 0 or positions[-1] >= record_count or (np.diff(positions) <= 0).any())


def _one_chunk(column: pa.ChunkedArray[Any]) -> pa.StringArray:
    chunks = column.chunks
    array = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    assert isinstance(array, pa.StringArray)
    return array


def _parse_exactly(records: _Records, candidates: Int64Array, column_count: int) -> _Parsed:
    """Parse with the exact reader, record by record."""
    rows: list[tuple[bytes, ...]] = []
    wrong_width: list[int] = []
    for position, index in enumerate(candidates.tolist()):
        cells = records.cells(index)
        if len(cells) == column_count:
            rows.append(cells)
        else:
            wrong_width.append(position)
    columns = [_text_array([row[column] for row in rows]) for column in range(column_count)]
    return _Parsed(columns, np.array(wrong_width, np.int64))


def _text_array(cells: Sequence[bytes]) -> pa.StringArray:
    array = pa.array([cell.decode() for cell in cells], pa.string())
    assert isinstance(array, pa.StringArray)
    return array
