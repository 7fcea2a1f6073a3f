"""Reads slices of delimited text into columns, with pyarrow.

The scan alone decides which bytes are a record. Records that are broken, blank or not text are cut out before
pyarrow sees the rest. If pyarrow's count of records differs from the scan's, the exact reader reads the
slice, so that cells never move to another row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestor.outcomes import MAX_NOTICE_ROWS, Notice
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.parsers.arrow_csv import Nulls, Parsed, one_chunk, parse_fast, text_array
from ingestor.tabular.parsers.slice_records import SliceRecords
from ingestor.tabular.records.scan import Int64Array, RecordScan, scan_records
from ingestor.tabular.records.syntax import Dialect
from ingestor.tabular.text_table import EMPTY_CELLS_DROPPED, TextTable

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
    records = SliceRecords(data, scan, dialect, limits, first_row, first_line, byte_start)
    rejected = {
        record.row_number - first_row: record
        for record in chain(records.blank(), records.broken(), records.undecodable(), records.marked())
    }
    kept = np.ones(scan.count, np.bool_)
    kept[list(rejected)] = False
    candidates = np.flatnonzero(kept)

    # Where cells are dropped, mostly all records are as wide as the first.
    width = records.width(candidates, column_count) if drop_empty_cells else column_count
    parsed = parse_fast(_without(data, scan, kept), width, len(candidates), dialect, _padded(nulls, width))
    used_exact_reader = parsed is None
    if parsed is None:
        if nulls is not None:
            raise ValueError("the data cannot be read with nulls")
        width = column_count
        parsed = _parse_exactly(records, candidates, width)
    others = candidates[parsed.wrong_width]
    kept[others] = False
    rows, columns = np.flatnonzero(kept), parsed.columns
    dropped = np.zeros(scan.count, np.bool_)
    if width > column_count:
        filled = _filled_rows(columns[column_count:])
        others = np.sort(np.concatenate([others, rows[filled]]))
        rows, columns = _left_out(rows, columns[:column_count], filled)
        dropped[rows] = True
    more: dict[int, list[int]] = {}  # rows of another width, by width
    wrong: list[tuple[int, bytes, tuple[bytes, ...]]] = []
    for index, content in zip(others.tolist(), records.contents(others), strict=True):
        cells = records.cells(content)
        if len(cells) == column_count:
            more.setdefault(column_count, []).append(index)
        elif not b"".join(cells).strip(b" \t") and records.holds_nothing(content, nulls):
            rejected[index] = records.empty(index)
        elif (
            drop_empty_cells
            and column_count < len(cells) <= limits.max_columns
            and not any(cells[column_count:])
        ):
            more.setdefault(len(cells), []).append(index)
            dropped[index] = True
        else:
            wrong.append((index, content, cells))
    rejected.update((row.row_number - first_row, row) for row in records.wrong_width(wrong, column_count))
    if more:
        rows, columns = _with_more(rows, columns, more, records, nulls)
    empty = _empty_rows(columns)
    nothing = [
        row
        for row, content in zip(empty.tolist(), records.contents(rows[empty]), strict=True)
        if records.holds_nothing(content, nulls)
    ]
    if nothing:
        rejected.update((index, records.empty(index)) for index in rows[nothing].tolist())
        rows, columns = _left_out(rows, columns, np.array(nothing, np.int64))
    numbers = first_row + rows[dropped[rows]] if drop_empty_cells else rows[:0]
    notices: tuple[Notice, ...] = ()
    if numbers.size:
        shown = tuple(numbers[:MAX_NOTICE_ROWS].tolist())
        notices = (Notice(*EMPTY_CELLS_DROPPED, len(numbers), shown),)
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


def _without(data: bytes, scan: RecordScan, kept: npt.NDArray[np.bool_]) -> bytes:
    """The bytes of the kept records."""
    if kept.all():
        return data
    edges = np.flatnonzero(np.diff(kept, prepend=False, append=False))
    # Each run of kept records begins at an even edge and ends before the next one.
    starts, ends = scan.starts[edges[::2]].tolist(), scan.ends[edges[1::2] - 1].tolist()
    view = memoryview(data)
    return b"".join(view[start:end] for start, end in zip(starts, ends, strict=True))


def _parse_exactly(records: SliceRecords, candidates: Int64Array, column_count: int) -> Parsed:
    """Parse with the exact reader, record by record."""
    rows: list[tuple[bytes, ...]] = []
    wrong_width: list[int] = []
    for position, content in enumerate(records.contents(candidates)):
        cells = records.cells(content)
        if len(cells) == column_count:
            rows.append(cells)
        else:
            wrong_width.append(position)
    columns = [text_array([row[column] for row in rows]) for column in range(column_count)]
    return Parsed(columns, np.array(wrong_width, np.int64))


def _padded(nulls: Nulls | None, width: int) -> Nulls | None:
    return None if nulls is None else [*nulls, *[frozenset[str]()] * (width - len(nulls))]


def _with_more(
    rows: Int64Array,
    columns: Sequence[pa.StringArray],
    more: Mapping[int, Sequence[int]],
    records: SliceRecords,
    nulls: Nulls | None,
) -> tuple[Int64Array, list[pa.StringArray]]:
    """The rows (indices of their records) and their columns, with further rows (indices by width), in
    order."""
    indices, parts = [rows], [list(columns)]
    for width, same in more.items():
        parsed = parse_fast(records.joined(same), width, len(same), records.dialect, _padded(nulls, width))
        if parsed is None or parsed.wrong_width.size:
            raise ValueError("two readers disagree about the cells of a record")
        indices.append(np.array(same, np.int64))
        parts.append(parsed.columns[: len(columns)])
    merged = np.concatenate(indices)
    order = np.argsort(merged)
    return merged[order], [
        one_chunk(pa.chunked_array(found).take(pa.array(order)))  # type: ignore[arg-type]
        for found in zip(*parts, strict=True)
    ]


def _left_out(
    rows: Int64Array, columns: Sequence[pa.StringArray], positions: Int64Array
) -> tuple[Int64Array, list[pa.StringArray]]:
    """The rows and their columns without those at these positions."""
    if not positions.size:
        return rows, list(columns)
    keep = np.ones(len(rows), np.bool_)
    keep[positions] = False
    return rows[keep], [column.filter(pa.array(keep)) for column in columns]


def _filled_rows(columns: Sequence[pa.StringArray]) -> Int64Array:
    """Positions of the rows with a cell that is not empty."""
    return np.flatnonzero(np.logical_or.reduce([_lengths(column) > 0 for column in columns]))


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
