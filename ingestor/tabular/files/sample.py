"""Reads the beginning of a table, for inspections and dry runs."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np

from ingestor.columns.arrow import Int64s
from ingestor.notices import merged, shifted
from ingestor.outcomes import Notice, RejectedRow
from ingestor.plugins import ParsedTable, TellsGuesses
from ingestor.tabular.cell_notes import reject_faults
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.containers import ExpansionLimits, expanded
from ingestor.tabular.files.convert import open_plan
from ingestor.tabular.files.encodings import text_pieces, to_utf8, transcode
from ingestor.tabular.files.formats import Plan, fast_dialect
from ingestor.tabular.files.tables import open_table
from ingestor.tabular.files.top import OfWorkbook, SheetFacts, TopLine
from ingestor.tabular.limits import DEFAULT_LIMITS
from ingestor.tabular.normal_form import text_column, text_only
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.parsers.json_document import whole_elements
from ingestor.tabular.records.header import HeaderError, HeaderShape, column_names, read_header
from ingestor.tabular.records.scan import scan_records
from ingestor.tabular.records.slices import RecordDelimiter
from ingestor.tabular.records.text_records import whole_records
from ingestor.tabular.text_table import CellNote, TextTable

_BYTES = 4 * 2**20
_EMPTY = frozenset(("",))


@dataclass(frozen=True, slots=True)
class Sample:
    """The first records of a table as columns of cells, and the records that would be rejected."""

    plan: Plan
    labels: tuple[str, ...]
    names: tuple[str, ...]  # of the columns; "" for an ignored one
    cells: list[list[str | None]]  # by column
    row_numbers: list[int]
    line_numbers: list[int]
    rejected: list[RejectedRow]
    record_count: int
    complete: bool  # the sample is the whole table
    notices: tuple[Notice, ...] = ()
    cell_notes: list[CellNote] = field(default_factory=list)
    """Empty unless asked for; `row_index` counts from the first record."""
    words: dict[int, list[Int64s]] = field(default_factory=dict)
    """By column, in parts; see ingestor.tabular.words. They count likewise."""
    top: Sequence[TopLine] = ()
    """Of a workbook the first rows of the sheet, with those above the header."""
    sheets: Sequence[SheetFacts] = ()
    """Of a workbook."""


def read_sample(
    file: BinaryIO,
    size: int,
    name: str,
    options: ReadOptions,
    *,
    rows: int = 1000,
    whole: bool = True,
    labels: Sequence[str] = (),
    bounded: bool = False,
    faults: bool = False,
) -> Sample:
    """Read at most `rows` records (at least 1) of a file of `size` bytes.

    Unless `whole`, more of the file may follow, so a record that may be incomplete is left out. `bounded`
    reads at most 4 MiB of text, even in formats whose columns are known only at the end. With `faults` rows
    with faulty cells are rows, else rejected. Raises UnreadableFileError.
    """
    how = open_plan(file, size, name, options, labels, partial=not whole)
    opened = expanded(file, how.compression, ExpansionLimits(), partial=not whole)
    if how.form != "normal":
        return _of_text(how, opened, rows, whole)
    read = how.options
    if how.format in _WHOLE and (bounded or not whole):
        opened, whole = _beginning(how, opened, whole)
        read = read.model_copy(update={"encoding": "utf-8", "skip_footer": read.skip_footer if whole else 0})
    # One more than is asked for shows that there are more.
    limits = replace(DEFAULT_LIMITS, block_rows=min(max(rows, 1) + 1, DEFAULT_LIMITS.block_rows))
    with open_table(opened, how.format, read, limits) as table:
        return _of_blocks(how, table, rows, whole, faults)


# By format: the part of an incomplete text that holds whole records.
_WHOLE: dict[str, Callable[[str, ReadOptions], str]] = {
    "jsonl": lambda text, _: text[: text.rfind("\n") + 1],
    "json": lambda text, options: whole_elements(text, options.path),
    "csv": lambda text, options: whole_records(text, options, DEFAULT_LIMITS),
}


def _beginning(how: Plan, file: BinaryIO, whole: bool) -> tuple[BinaryIO, bool]:
    """The whole records at the beginning of a text, in UTF-8, and whether they are all of them."""
    assert how.encoding is not None
    text = ""
    for piece in text_pieces(file, how.encoding):
        text += piece
        if len(text) > _BYTES:
            whole = False
            break
    if not whole:
        text = _WHOLE[how.format](text, how.options)
        if not text:
            raise UnreadableFileError("NO_RECORD_YET", "The file does not hold a whole record yet.")
    return io.BytesIO(to_utf8(text)), whole


def _of_text(how: Plan, file: BinaryIO, rows: int, whole: bool) -> Sample:
    assert how.encoding is not None
    text = bytearray()
    ended = whole
    for piece in transcode(file, how.encoding):
        text += piece
        if len(text) > _BYTES:
            ended = False
            break
    options = how.options
    shape = HeaderShape.of(options)
    dialect = fast_dialect(options)
    try:
        header = read_header(bytes(text), dialect, ended, shape=shape)
        if header is None:
            raise UnreadableFileError("HEADER_UNREADABLE", "The file does not hold the whole header yet.")
        names = column_names(header.columns, options.duplicate_columns, options.blank_columns)
    except HeaderError as error:
        raise UnreadableFileError(error.reason.value, error.message) from error
    body = bytes(text[header.byte_end :])
    if not ended:  # the last record may be incomplete
        body = body[: scan_records(body, dialect, final=False).consumed]
    cutter = RecordDelimiter(dialect, max_slice_rows=max(rows, 1), first_line=header.line_count + 1)
    slices = cutter.feed(body) + cutter.finish()
    collected = _Collected(how, header.columns, names)
    if slices:
        first = slices[0]
        table = read_csv_slice(
            first.data,
            len(names),
            dialect,
            drop_empty_cells=options.extra_empty_cells == "drop",
            nulls=[_EMPTY] * len(names) if options.empty_quoted == "text" else None,
            first_line=first.first_line,
            byte_start=header.byte_end,
        )
        collected.add(table)
    return collected.sample(complete=ended and len(slices) <= 1)


def _of_blocks(how: Plan, table: ParsedTable, rows: int, whole: bool, faults: bool) -> Sample:
    options = how.options
    if isinstance(table, TellsGuesses):
        how = replace(how, guesses=(*how.guesses, *table.guesses))
    try:
        names = column_names(table.columns, options.duplicate_columns, options.blank_columns)
    except HeaderError as error:
        raise UnreadableFileError(error.reason.value, error.message) from error
    collected = _Collected(how, tuple(table.columns), names)
    if isinstance(table, OfWorkbook):
        collected.of_workbook(table)
    for block in table.blocks():
        left = rows - collected.count
        if not faults:
            block = reject_faults(block)
        if block.record_count > left:
            if left:
                collected.add(text_only(_first(block, left)))
            return collected.sample(complete=False)
        collected.add(text_only(block))
    return collected.sample(complete=whole)


def _first(block: TextTable, count: int) -> TextTable:
    """The first records of a block."""
    rows = int(block.row_index.searchsorted(count))
    return replace(
        block,
        columns=[column.slice(0, rows) for column in block.columns],
        row_index=block.row_index[:rows],
        line_index=block.line_index[:rows],
        record_count=count,
        rejected=[record for record in block.rejected if record.row_number < block.first_row + count],
        words={column: rows[rows < count] for column, rows in block.words.items()},
    )


def sample_table(sample: Sample) -> TextTable:
    """The records of a sample as one table."""
    return TextTable(
        [text_column(cells) for cells in sample.cells],
        np.array(sample.row_numbers, np.int64) - 1,
        np.array(sample.line_numbers, np.int64) - 1,
        sample.record_count,
        sample.rejected,
        cell_notes=tuple(sample.cell_notes),
        words={column: np.concatenate(rows) for column, rows in sample.words.items()},
    )


class _Collected:
    def __init__(self, how: Plan, labels: tuple[str, ...], names: tuple[str, ...]) -> None:
        self.count = 0
        self._sample = Sample(how, labels, names, [[] for _ in names], [], [], [], 0, False)
        self._notices: list[Notice] = list(how.notices)

    def of_workbook(self, table: OfWorkbook) -> None:
        """Keep what a workbook shows besides its rows."""
        self._sample = replace(self._sample, top=table.top, sheets=table.sheets)

    def add(self, table: TextTable) -> None:
        """Add the next records, which are numbered in their block."""
        sample = self._sample
        for cells, column in zip(sample.cells, table.columns, strict=True):
            cells += column.to_pylist()
        sample.row_numbers.extend((table.row_index + self.count + 1).tolist())
        sample.line_numbers.extend((table.line_index + table.first_line).tolist())
        sample.rejected.extend(
            record._replace(row_number=self.count + record.row_number) for record in table.rejected
        )
        self._notices += shifted(table.notices, self.count)
        sample.cell_notes.extend(
            replace(note, row_index=self.count + note.row_index) for note in table.cell_notes
        )
        for place, rows in table.words.items():
            sample.words.setdefault(place, []).append(rows + self.count)
        self.count += table.record_count

    def sample(self, *, complete: bool) -> Sample:
        """The records collected so far."""
        return replace(
            self._sample, record_count=self.count, complete=complete, notices=merged(self._notices)
        )
