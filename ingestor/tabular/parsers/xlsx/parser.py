"""The parser of workbooks: one sheet as a table."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from ingestor.outcomes import Notice, quoted
from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.containers import is_workbook
from ingestor.tabular.files.formats import Guess
from ingestor.tabular.files.top import MOST_LINES, Role, TopLine, top_line
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.delimited import header_labels
from ingestor.tabular.parsers.xlsx.layout import PEEKED, Layout, find_layout, footer_length, with_merged
from ingestor.tabular.parsers.xlsx.merges import merges_above
from ingestor.tabular.parsers.xlsx.notices import (
    HIDDEN_ROW,
    footer_found,
    hidden_columns,
    layout_guesses,
    layout_notices,
    percents,
)
from ingestor.tabular.parsers.xlsx.package import Package
from ingestor.tabular.parsers.xlsx.plain_rows import PlainRows
from ingestor.tabular.parsers.xlsx.sheet import Row, Sheet, letters
from ingestor.tabular.parsers.xlsx.workbook import Workbook
from ingestor.tabular.records.header import ROW_NAME
from ingestor.tabular.text_table import TextTable
from ingestor.tabular.words import looks_typed, words_among

_LONGEST_FOOTER = 30  # rows at the end of a sheet that may stand below its table

# Text that would be another number where the point separates groups: it is noted to be text.


class XlsxTable:
    """A sheet; a record's line is its row number in the sheet, and rows without cells are not records."""

    def __init__(self, package: Package, options: ReadOptions, limits: Limits) -> None:
        """Raises UnreadableFileError."""
        book = Workbook(package)
        tab = book.choose(options.sheet)
        sheet = Sheet()
        self._reader = book.reader(tab, sheet)
        rows = self._reader.rows()
        top = list(islice(rows, MOST_LINES))
        head = list(islice((row for row in chain(top, rows) if row.number > options.skip_lines), PEEKED))
        filled = [row for row in head if row.cells]
        if not filled:
            raise UnreadableFileError(
                "FILE_EMPTY", f"The sheet {quoted(tab.name)} has no header: it is empty."
            )
        # To find merged cells the whole sheet is unpacked; cells that are merged leave gaps.
        merges = merges_above(package, tab.part or "", filled[-1].number) if _has_gaps(filled) else []
        layout = find_layout(filled, merges, options)
        table = [row for row in filled if row.number > layout.skip_lines]
        header = table[: layout.header_rows]
        self._first = min(min(row.cells) for row in table)
        end = max(max(row.cells) for row in table) + 1
        labelled = with_merged(header, merges, end) if header else [row.cells for row in table]
        self._end = max(max(row) for row in labelled) + 1
        width = self._end - self._first
        if width > limits.max_columns:
            raise UnreadableFileError(
                "TOO_MANY_COLUMNS",
                f"The header has {width} columns; at most {limits.max_columns} can be loaded.",
            )
        labels = [[row.get(column, "") for column in range(self._first, self._end)] for row in labelled]
        shape = options.model_copy(update={"header": layout.header, "row_names": False})
        self.columns: tuple[str, ...] = header_labels(labels, shape)
        if options.row_names and not self.columns[0]:
            self.columns = (ROW_NAME, *self.columns[1:])
        self._end = self._first + len(self.columns)  # the columns may be declared
        above = header[-1].number if header else layout.skip_lines
        self._head = [row for row in head if row.number > above]
        self._footer = options.skip_footer if "skip_footer" in options.model_fields_set else None
        self.guesses = tuple(layout_guesses(layout, options))
        if options.sheet is None and len(book.tabs) > 1:
            why = "It is the first visible sheet with a table."
            self.guesses += (Guess("sheet", json.dumps(tab.name, ensure_ascii=False), 0.9, why),)
        notices = (book.other_sheets(tab), hidden_columns(sheet), *layout_notices(filled, layout, options))
        self.sheets = book.sheets()
        self.top = [_top_line(row, layout, header) for row in top]
        self._limits = limits
        self._sheet = sheet
        self._told: set[int] = set()
        self._notices = [notice for notice in notices if notice is not None]

    def blocks(self) -> Iterator[TextTable]:
        builder = BlockBuilder(len(self.columns), self._limits.block_rows)
        kept = _LONGEST_FOOTER if self._footer is None else self._footer
        held: deque[list[Row] | PlainRows] = deque()
        count = 0
        for block in chain([self._head], self._reader.blocks()):
            held.append(block)
            count += len(block)
            while held and count - len(held[0]) >= kept:
                first = held.popleft()
                count -= len(first)
                yield from self._tables(builder, first)
        waiting = deque(row for block in held for row in _one_by_one(block))
        footer = footer_length(waiting, len(self.columns)) if self._footer is None else self._footer
        while len(waiting) > footer:
            self._add(builder, waiting.popleft())
        told = footer_found(waiting) if waiting and self._footer is None else None
        for row in waiting:
            text = ",".join(row.cells.values())
            builder.skip(row.number - 1, "footer-row", "The record belongs to the footer.", text)
            if told:
                builder.note(*told)
        if not builder.empty or self._notices:
            yield self._taken(builder)

    def _tables(self, builder: BlockBuilder, rows: list[Row] | PlainRows) -> Iterator[TextTable]:
        """The tables of some rows; the last ones may stay in the builder."""
        if isinstance(rows, PlainRows) and not self._has_outside(rows):
            if not builder.empty or self._notices:
                yield self._taken(builder)
            most = self._limits.rows_at_once(len(self.columns))
            for start in range(0, len(rows), most):
                yield self._table(rows.part(start, min(start + most, len(rows))))
            return
        for row in _one_by_one(rows):
            self._add(builder, row)
            if builder.full:
                yield self._taken(builder)

    def _has_outside(self, rows: PlainRows) -> bool:
        """Whether a cell stands outside the table."""
        return any(not self._first <= column < self._end for column in rows.columns)

    def _table(self, rows: PlainRows) -> TextTable:
        """The table of some rows whose cells are all within it."""
        columns, words = [], {}
        missing = pa.nulls(len(rows), pa.string())
        for position in range(len(self.columns)):
            cells, is_text = rows.columns.get(position + self._first, (missing, None))
            columns.append(cells)
            if is_text is not None and (word := words_among(cells, is_text)).any():
                words[position] = np.flatnonzero(word)
        return TextTable(columns, np.arange(len(rows)), rows.numbers - 1, len(rows), [], words=words)

    def _taken(self, builder: BlockBuilder) -> TextTable:
        self._notices += self._percents()
        block = builder.take()
        notices = (*self._notices, *block.notices)
        self._notices.clear()
        return replace(block, notices=notices)

    def _percents(self) -> Iterator[Notice]:
        for column, text in self._sheet.percents.items():
            if self._first <= column < self._end and column not in self._told:
                self._told.add(column)
                yield percents(self.columns[column - self._first], text)

    def _add(self, builder: BlockBuilder, row: Row) -> None:
        self._add_cells(builder, row)
        if row.hidden:
            builder.note(*HIDDEN_ROW)

    def _add_cells(self, builder: BlockBuilder, row: Row) -> None:
        line, cells, faults = row.number - 1, row.cells, row.faults
        outside = [
            column for column in cells
            if not self._first <= column < self._end and column not in faults
        ]  # fmt: skip
        inside = [cells.get(column) for column in range(self._first, self._end)]
        if outside:
            end = max(self._end, max(cells) + 1)
            shown = [cells.get(column, "") for column in range(min(self._first, min(cells)), end)]
            builder.reject(line, "extra-cell", self._outside(row.number, outside[0]), ",".join(shown), shown)
            return
        faulty = [column for column in faults if self._first <= column < self._end]
        if not faulty and not any(inside):
            builder.skip(line, "blank-row", "The row is blank.", "")
            return
        words = [
            column - self._first for column in row.words
            if self._first <= column < self._end and looks_typed(cells.get(column, ""))
        ]  # fmt: skip
        builder.add(line, inside, sum(map(len, cells.values())), words)
        for column in faulty:
            builder.cell_note(column - self._first, fault=faults[column])
        for column, text in row.shown.items():
            if column < self._end:
                builder.cell_note(column - self._first, shown=text)

    def _outside(self, row: int, column: int) -> str:
        first, last = letters(self._first), letters(self._end - 1)
        return (
            f"The cell {letters(column)}{row} stands outside the table, whose header has the columns "
            f"{first} to {last}."
        )


def _one_by_one(rows: list[Row] | PlainRows) -> Iterator[Row]:
    return iter(rows) if isinstance(rows, list) else map(rows.row, range(len(rows)))


def _has_gaps(rows: Sequence[Row]) -> bool:
    """Whether rows are not all filled from the same first column to the same last one, one after another."""
    columns = rows[0].cells.keys()
    return (
        len(columns) != max(columns) - min(columns) + 1
        or any(row.cells.keys() != columns for row in rows)
        or rows[-1].number - rows[0].number + 1 != len(rows)
    )


def _top_line(row: Row, layout: Layout, header: list[Row]) -> TopLine:
    role: Role = "above" if row.number <= layout.skip_lines else "header" if row in header else "row"
    end = max(row.cells, default=-1) + 1
    return top_line(row.number, role, [row.cells.get(column, "") for column in range(end)])


class XlsxParser(TableParser):
    name = "xlsx"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether the first entries of the archive are those of a workbook."""
        return is_workbook(head)

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[XlsxTable]:
        package = Package(file)
        try:
            yield XlsxTable(package, options, limits)
        finally:
            package.close()
