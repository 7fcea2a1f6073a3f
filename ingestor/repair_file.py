"""Converts a repair file, a corrected report in any format, to the rows of a repair.

    ingestor.repair_file (see ingestor.tabular.files.file_process)

CONTENT is normal form (see ingestor.tabular.normal_form): the column _row, with row numbers of the repaired
process, then that process's columns. So the format of the repair file, the order of its columns and extra
columns do not matter afterwards. Records keep their numbers and lines. RESULT is as in
ingestor.tabular.files.convert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as compute

from ingestor.outcomes import UNREADABLE, RejectedRow
from ingestor.repair_text import split_texts
from ingestor.reports import (
    CUT,
    GUARDED,
    JSON_CELLS,
    JSON_ROW,
    NUMBER_LABEL,
    OriginalTable,
    is_json_report,
    repair_problem,
    row_column,
    unguard,
)
from ingestor.tabular.cell_notes import reject_faults
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.containers import ExpansionLimits, Output, expanded, size_of
from ingestor.tabular.files.convert import open_plan
from ingestor.tabular.files.encodings import transcode
from ingestor.tabular.files.file_process import Request, answer_request
from ingestor.tabular.files.formats import HEAD_BYTES, Plan
from ingestor.tabular.files.tables import open_table
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.normal_form import block_lines, header_line, text_column, text_only
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.parsers.json_values import JsonObject, RowError, as_cell, decoder, repeated_name
from ingestor.tabular.records.header import HeaderError
from ingestor.tabular.records.layout import TableHead, read_table_head
from ingestor.tabular.records.slices import RecordDelimiter, Slice
from ingestor.tabular.text_table import TextTable

pc: Any = compute  # the stubs know too few of its overloads
Mask = npt.NDArray[np.bool_]

# Spreadsheets write whole numbers as 7, some programs as 7.0.
_NUMBER = r"^[0-9]{1,18}(\.0+)?$"
_PIECE = 1024 * 1024
# Where a report has its header and its rows; nothing above or below them is found unasked.
_REPORT = ReadOptions(skip_lines=0, header=True, header_rows=1, skip_footer=0)


def repair_content(
    file: BinaryIO,
    how: Plan,
    table: OriginalTable,
    limits: Limits = DEFAULT_LIMITS,
    expansion: ExpansionLimits | None = None,
) -> Iterator[bytes]:
    """Convert a repair file to CONTENT, see above. Raises UnreadableFileError, with the reason NOT_A_REPORT
    when the file is not a report of `table`."""
    expansion = expansion or ExpansionLimits()
    output = Output(size_of(file), expansion)
    with _opened(file, how, limits, expansion) as (columns, blocks):
        labels = list(columns)
        from_json = is_json_report(labels, table.columns)
        if not from_json:
            labels = [unguard(label) for label in labels]
        if problem := repair_problem(labels, table.columns):
            raise UnreadableFileError(*problem)
        reading = _json_cells if from_json else _table_cells
        rows = _Rows(table)
        yield header_line((NUMBER_LABEL, *table.columns))
        for block in blocks:
            lines = block_lines(rows.take(text_only(reject_faults(block)), labels, reading))
            output.add(len(lines), block.record_count)
            yield lines


@contextmanager
def _opened(
    file: BinaryIO, how: Plan, limits: Limits, expansion: ExpansionLimits
) -> Iterator[tuple[Sequence[str], Iterator[TextTable]]]:
    """The labels and the blocks of a file; `line_index` counts from the start of the file."""
    stream = expanded(file, how.compression, expansion)
    if how.form == "normal":
        with open_table(stream, how.format, how.options, limits) as table:
            yield table.columns, table.blocks()
        return
    assert how.encoding is not None, "delimited text has an encoding"
    pieces = transcode(stream, how.encoding) if how.form == "text" else iter(lambda: stream.read(_PIECE), b"")
    yield _delimited(pieces, how.options, limits)


def _delimited(
    pieces: Iterator[bytes], options: ReadOptions, limits: Limits
) -> tuple[Sequence[str], Iterator[TextTable]]:
    """The labels and the blocks of delimited text, read as in an ingestion."""
    head = bytearray()
    found: TableHead | None = None
    try:
        for piece in pieces:
            head += piece
            if len(head) >= HEAD_BYTES and (found := read_table_head(bytes(head), False, options, False)):
                break
        else:
            found = read_table_head(bytes(head), True, options, False)
    except HeaderError as error:
        raise UnreadableFileError(error.reason.value, error.message) from error
    assert found is not None, "the end of the file decides about its header"
    rest = chain([bytes(head[found.byte_end :])], pieces)
    return found.labels, _slices(found, rest, options.extra_empty_cells == "drop", limits)


def _slices(
    head: TableHead, pieces: Iterable[bytes], drop_empty_cells: bool, limits: Limits
) -> Iterator[TextTable]:
    delimiter = RecordDelimiter(
        head.dialect, start_offset=head.byte_end, first_line=head.line_count + 1, limits=limits
    )

    def tables(slices: Iterable[Slice]) -> Iterator[TextTable]:
        for piece in slices:
            yield read_csv_slice(
                piece.data, len(head.labels), head.dialect, limits, drop_empty_cells=drop_empty_cells,
                first_line=piece.first_line,
            )  # fmt: skip

    for data in pieces:
        yield from tables(delimiter.feed(data))
    yield from tables(delimiter.finish())


# From a block: the row numbers as text, the columns of the table, and (code, message, text of the record) by
# position of a bad row.
_Problem = tuple[str, str, str]
_Cells = tuple[pa.StringArray, list[pa.StringArray], dict[int, _Problem]]


def _table_cells(block: TextTable, labels: Sequence[str], table: OriginalTable) -> _Cells:
    """Cells of a CSV or XLSX report, without the guards of formulas."""
    columns = [
        _unguarded(block.columns[labels.index(label)]) if label else _nulls(block) for label in table.columns
    ]
    columns, problems = _with_texts(block, labels, table, columns)
    return block.columns[labels.index(row_column(table.columns))], columns, problems


def _with_texts(
    block: TextTable, labels: Sequence[str], table: OriginalTable, columns: list[pa.StringArray]
) -> tuple[list[pa.StringArray], dict[int, _Problem]]:
    """The columns with the cells of records that are there as their text, and the problems of those that
    still cannot be split."""
    blank = np.flatnonzero(_blank(columns, len(block.row_index))).tolist()
    texts = list(split_texts(labels, lambda label: block.columns[labels.index(label)], blank, table))
    problems = {found.position: (*found.problem, found.text) for found in texts if found.problem is not None}
    if good := [found for found in texts if found.problem is None]:
        where = np.zeros(len(block.row_index), np.bool_)
        where[[found.position for found in good]] = True
        columns = [
            pc.replace_with_mask(column, pa.array(where), pa.array([found.cells[index] for found in good]))
            if table.columns[index]
            else column
            for index, column in enumerate(columns)
        ]
    return columns, problems


def _unguarded(column: pa.StringArray) -> pa.StringArray:
    guarded = pc.fill_null(pc.match_substring_regex(column, GUARDED), False)
    if not pc.any(guarded).as_py():
        return column
    bare: pa.StringArray = pc.if_else(guarded, pc.utf8_slice_codeunits(column, 1), column)
    return bare


def _nulls(block: TextTable) -> pa.StringArray:
    return pa.nulls(len(block.row_index), pa.string())


def _json_cells(block: TextTable, labels: Sequence[str], table: OriginalTable) -> _Cells:
    """Cells of a JSON Lines report: the members of each object's "cells"."""
    positions = {label: position for position, label in enumerate(table.columns) if label}
    problems: dict[int, _Problem] = {}
    rows: list[list[str | None]] = []
    for position, text in enumerate(block.columns[labels.index(JSON_CELLS)].to_pylist()):
        row: list[str | None] = [None] * len(table.columns)
        rows.append(row)
        problem = _fill(row, text, positions)
        if problem:
            problems[position] = (*problem, "")
    columns = [text_column([row[column] for row in rows]) for column in range(len(table.columns))]
    return block.columns[labels.index(JSON_ROW)], columns, problems


def _fill(row: list[str | None], text: str | None, positions: dict[str, int]) -> tuple[str, str] | None:
    """Set the cells of a row; return code and message when they cannot be."""
    try:
        cells = decoder.decode(text) if text else None
    except (ValueError, RecursionError):
        cells = text
    if cells is None:
        return None
    if not isinstance(cells, JsonObject):
        return "type-error", f"{JSON_CELLS} is not a JSON object."
    names = {name for name, _ in cells.members if name}  # "" is a column that is not read
    if not names:
        return None
    if unknown := names - positions.keys():
        return "extra-cell", f"The table has no column {min(unknown)!r}."
    if missing := positions.keys() - names:
        return "missing-cell", f"{JSON_CELLS} lacks the column {min(missing)!r}."
    try:
        if (name := cells.repeated()) is not None:
            raise repeated_name(name)
        for name, value in cells.members:
            if name:
                row[positions[name]] = as_cell(value)
    except RowError as error:
        return error.code, error.message
    return None


class _Rows:
    """Decides which rows of a repair file are run. Remembers the row numbers seen, one byte per row of the
    original table."""

    def __init__(self, table: OriginalTable) -> None:
        self._table = table
        self._seen = np.zeros(table.row_count + 1, np.bool_)

    def take(
        self,
        block: TextTable,
        labels: Sequence[str],
        cells_of: Callable[[TextTable, Sequence[str], OriginalTable], _Cells],
    ) -> TextTable:
        """The block of CONTENT for a block of the file; `cells_of` reads its cells."""
        texts, columns, problems = cells_of(block, labels, self._table)
        texts = pc.utf8_trim_whitespace(pc.fill_null(texts, ""))
        columns = [self._plain(column) for column in columns]
        numbers, is_number = _numbers(texts)
        known = is_number & (numbers >= 1) & (numbers <= self._table.row_count)
        blank = _blank(columns, len(texts))
        for position in problems:
            blank[position] = False
        cut, unread = np.zeros((2, len(texts)), np.bool_)
        for column in columns:
            cut |= _mask(pc.ends_with(column, CUT))
            unread |= _mask(pc.ends_with(column, UNREADABLE))
        wrong = np.zeros(len(texts), np.bool_)
        wrong[list(problems)] = True
        good = known & ~blank & ~cut & ~unread & ~wrong
        repeated = good & self._repeated(numbers, good)
        good &= ~repeated
        rejected = [record._replace(cells=()) for record in block.rejected]
        for position in np.flatnonzero(~good).tolist():
            number = texts[position].as_py()
            state, text = "failed", ""
            if blank[position]:
                state = "skipped"
                problem = "blank-row", "All cells of the row are empty, so the failed row stays unchanged."
            elif not number:
                problem = (
                    "row-number",
                    "The row has no row number; copy it from the column _row of the report.",
                )
            elif not known[position]:
                what = "a row of the repaired process" if is_number[position] else "a row number"
                problem = "row-number", f"The value {number[:100]!r} in _row is not {what}."
            elif wrong[position]:
                code, message, text = problems[position]
                problem = code, message
            elif unread[position]:
                state = "skipped"
                problem = (
                    "cell-unreadable",
                    f"A cell ends with {UNREADABLE!r}: bytes of the file there are no text; enter the text.",
                )
            elif cut[position]:
                problem = (
                    "cell-cut",
                    f"A cell ends with {CUT!r}: it is only the beginning; enter the whole cell.",
                )
            else:
                problem = (
                    "repeated-row",
                    f"Row {number} occurs earlier in the file; only the first one is used.",
                )
            # Of a record that is still not split the text is shown again.
            cells = () if text else tuple(column[position].as_py() or "" for column in columns)
            rejected.append(
                RejectedRow.by_reader(
                    block.row_number(position), block.line_number(position),
                    "skipped" if state == "skipped" else "failed", *problem, cells, text,
                )
            )  # fmt: skip
        keep = pa.array(good)
        made: Any = pa.array(numbers[good]).cast(pa.string())
        return replace(
            block,
            columns=[made, *(column.filter(keep) for column in columns)],
            row_index=block.row_index[good],
            line_index=block.line_index[good],
            rejected=sorted(rejected, key=lambda record: record.row_number),
            words={},  # other columns
        )

    def _plain(self, column: pa.StringArray) -> pa.StringArray:
        """The column with nulls or empty texts, whichever the original table has."""
        if self._table.empty_is_null:
            found: pa.StringArray = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        else:
            found = pc.fill_null(column, "")
        return found

    def _repeated(self, numbers: npt.NDArray[np.int64], good: Mask) -> Mask:
        """True for each good row with the number of an earlier good row."""
        positions = np.flatnonzero(good)
        found = numbers[positions]
        again = self._seen[found]
        first = np.zeros(len(found), np.bool_)
        first[np.unique(found, return_index=True)[1]] = True
        self._seen[found] = True
        repeated = np.zeros(len(numbers), np.bool_)
        repeated[positions] = again | ~first
        return repeated


def _blank(columns: Sequence[pa.StringArray], count: int) -> Mask:
    """True for each row whose cells are all empty."""
    blank = np.ones(count, np.bool_)
    for column in columns:
        blank &= _mask(pc.equal(pc.fill_null(column, ""), ""))
    return blank


def _mask(array: Any) -> Mask:
    found: Mask = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
    return found


def _numbers(texts: pa.StringArray) -> tuple[npt.NDArray[np.int64], Mask]:
    """The texts as whole numbers (0 if they are not), and which of them are whole numbers."""
    is_number = pc.match_substring_regex(texts, _NUMBER)
    plain = pc.replace_substring_regex(pc.if_else(is_number, texts, "0"), r"\..*$", "")
    return plain.cast(pa.int64()).to_numpy(zero_copy_only=False), _mask(is_number)


def _repair(request: Request, file: BinaryIO, out: BinaryIO) -> dict[str, Any]:
    options = request.options.over(_REPORT)
    how = open_plan(file, size_of(file), request.name, options)
    for piece in repair_content(file, how, request.table, expansion=request.expansion):
        out.write(piece)
    return {"form": "normal", "dialect": how.options.to_json()}


def main() -> int:
    """Be that process: its exit status."""
    return answer_request(_repair)
