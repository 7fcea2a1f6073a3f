"""Reads slices of delimited text into columns, with pyarrow.

The scan alone decides which bytes are a record. Records that are broken, blank or not text are cut out before
pyarrow sees the rest. If pyarrow's count of records differs from the scan's, the exact reader reads the
slice, so that cells never move to another row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestor.outcomes import MAX_NOTICE_ROWS, Notice, RejectedRow, RejectedState
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.parsers.arrow_csv import Nulls, Parsed, one_chunk, parse_fast, text_array
from ingestor.tabular.records.exact import read_exact
from ingestor.tabular.records.scan import Int64Array, RecordScan, scan_records
from ingestor.tabular.records.syntax import UTF8_BOM, BrokenKind, Dialect, line_end_size
from ingestor.tabular.text_table import BOM_IN_RECORD, EMPTY_CELLS_DROPPED, TextTable

MAX_TEXT_CHARACTERS = 1024
_EMPTY = frozenset(("",))


def read_csv_slice(
    data: bytes,
    column_count: int,
    dialect: Dialect,
    limits: Limits = DEFAULT_LIMITS,
    *,
    empty_is_null: bool = False,
    nulls: Nulls | None = None,
    drop_empty_cells: bool = False,
    first_row: int = 1,
    first_line: int = 1,
    byte_start: int | None = None,
) -> TextTable:
    """Read whole records (`Slice.data`) of a table of `column_count` columns. `nulls` are, for each column,
    the texts that are null without quotes and text with them; with `empty_is_null` (normal form) the empty
    one of every column. With `drop_empty_cells` cells beyond the last column are dropped where all of them
    are empty.

    The data begin with this row and line of the file and, if they are the file's own text, at `byte_start`
    (from 0): then the message of a failed record says at which byte it begins.

    Rejects a record that begins with a byte order mark, breaks the quoting rule, is too long, is not UTF-8 or
    holds NUL (which PostgreSQL's text cannot store), holds nothing, or has more or fewer cells than the table
    has columns; its code is that of the first that applies. Only these records, and those with cells to
    drop, cost work in Python.

    Raises ValueError when `column_count` is less than 1.
    """
    if column_count < 1:
        raise ValueError("a table has at least one column")
    if empty_is_null:
        nulls = [_EMPTY] * column_count
    scan = scan_records(data, dialect, final=True, limits=limits)
    records = _Records(data, scan, dialect, limits, first_row, first_line, byte_start)
    rejected = {
        record.row_number - first_row: record
        for record in (*records.blank(), *records.broken(), *records.undecodable(), *records.marked())
    }
    kept = np.ones(scan.count, np.bool_)
    kept[list(rejected)] = False
    candidates = np.flatnonzero(kept)

    parsed = parse_fast(_without(data, scan, kept), column_count, len(candidates), dialect, nulls)
    used_exact_reader = parsed is None
    if parsed is None:
        if nulls is not None:
            raise ValueError("the data cannot be read with nulls")
        parsed = _parse_exactly(records, candidates, column_count)
    wrong_width = candidates[parsed.wrong_width]
    kept[wrong_width] = False
    rows, columns = np.flatnonzero(kept), parsed.columns
    too_wide: dict[int, list[int]] = {}  # by width, where the cells beyond the last column are dropped
    for index in wrong_width.tolist():
        cells = records.cells(index)
        if not any(cells) and records.holds_nothing(index, nulls):
            rejected[index] = records.empty(index)
        elif drop_empty_cells and len(cells) > column_count and not any(cells[column_count:]):
            too_wide.setdefault(len(cells), []).append(index)
        else:
            rejected[index] = records.wrong_width(index, cells, column_count)
    notices: tuple[Notice, ...] = ()
    if too_wide:
        rows, columns = _with_narrowed(rows, columns, too_wide, records, nulls)
        numbers = sorted(first_row + index for indices in too_wide.values() for index in indices)
        notices = (Notice(*EMPTY_CELLS_DROPPED, len(numbers), tuple(numbers[:MAX_NOTICE_ROWS])),)
    nothing = [row for row in _empty_rows(columns).tolist() if records.holds_nothing(int(rows[row]), nulls)]
    if nothing:
        for index in rows[nothing].tolist():
            rejected[index] = records.empty(index)
        keep = np.ones(len(rows), np.bool_)
        keep[nothing] = False
        rows, columns = rows[keep], [column.filter(pa.array(keep)) for column in columns]
    return TextTable(
        columns=columns,
        row_index=rows,
        line_index=scan.lines[rows],
        record_count=scan.count,
        rejected=[rejected[index] for index in sorted(rejected)],
        used_exact_reader=used_exact_reader,
        first_row=first_row,
        first_line=first_line,
        notices=notices,
    )


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

    def holds_nothing(self, index: int, nulls: object) -> bool:
        """Whether a record whose cells are all empty or null holds nothing: where nulls are told by their
        quotes, neither quotes nor words."""
        return nulls is None or not self._content(index).strip(self._dialect.delimiter.encode())

    def joined(self, indices: Sequence[int]) -> bytes:
        """The bytes of these records, one after another."""
        return b"".join(self._content(index) + b"\n" for index in indices)

    @property
    def dialect(self) -> Dialect:
        """How their cells are separated."""
        return self._dialect

    def blank(self) -> Iterator[RejectedRow]:
        """The blank records."""
        for index in self._scan.blank.tolist():
            yield self._rejected(index, "skipped", "blank-row", "The record is blank.", (), "")

    def empty(self, index: int) -> RejectedRow:
        """A record whose cells are all empty."""
        return self._rejected(index, "skipped", "blank-row", "The record is blank.", (), self._text(index))

    def marked(self) -> Iterator[RejectedRow]:
        """The records that begin with a byte order mark."""
        at = self._data.find(UTF8_BOM)
        while at >= 0:
            index = int(self._scan.ends.searchsorted(at, side="right"))
            if self._scan.starts[index] == at:
                yield self._failed(index, "encoding-error", BOM_IN_RECORD)
            at = self._data.find(UTF8_BOM, at + len(UTF8_BOM))

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

    def wrong_width(self, index: int, found: Sequence[bytes], expected: int) -> RejectedRow:
        """A record whose number of cells is not the header's."""
        cells = tuple(cell.decode() for cell in found)
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


def _parse_exactly(records: _Records, candidates: Int64Array, column_count: int) -> Parsed:
    """Parse with the exact reader, record by record."""
    rows: list[tuple[bytes, ...]] = []
    wrong_width: list[int] = []
    for position, index in enumerate(candidates.tolist()):
        cells = records.cells(index)
        if len(cells) == column_count:
            rows.append(cells)
        else:
            wrong_width.append(position)
    columns = [text_array([row[column] for row in rows]) for column in range(column_count)]
    return Parsed(columns, np.array(wrong_width, np.int64))


def _with_narrowed(
    rows: Int64Array,
    columns: Sequence[pa.StringArray],
    too_wide: Mapping[int, Sequence[int]],
    records: _Records,
    nulls: Nulls | None,
) -> tuple[Int64Array, list[pa.StringArray]]:
    """The rows (indices of their records) and their columns, with those that are too wide (indices by width),
    in order."""
    count = len(columns)
    indices, parts = [rows], [list(columns)]
    for width, wide in too_wide.items():
        more = None if nulls is None else [*nulls, *[frozenset[str]()] * (width - count)]
        parsed = parse_fast(records.joined(wide), width, len(wide), records.dialect, more)
        if parsed is None or parsed.wrong_width.size:
            raise ValueError("two readers disagree about the cells of a record")
        indices.append(np.array(wide, np.int64))
        parts.append(parsed.columns[:count])
    merged = np.concatenate(indices)
    order = np.argsort(merged)
    return merged[order], [
        one_chunk(pa.chunked_array(found).take(pa.array(order)))  # type: ignore[arg-type]
        for found in zip(*parts, strict=True)
    ]


def _empty_rows(columns: Sequence[pa.StringArray]) -> Int64Array:
    """Positions of the rows whose cells are all empty. Nearly always the first column says that there is
    none."""
    rows = np.flatnonzero(_lengths(columns[0]) == 0)
    for column in columns[1:]:
        if not rows.size:
            break
        rows = rows[_lengths(column)[rows] == 0]
    return rows


def _lengths(column: pa.StringArray) -> npt.NDArray[np.int32]:
    """Bytes of each cell, 0 for null; shape [rows]."""
    offsets = np.frombuffer(cast(bytes, column.buffers()[1]), np.int32)
    return np.diff(offsets[column.offset : column.offset + len(column) + 1])
