"""Reads delimited text of any dialect: records that are plain many at once, the others one by one.

Handles what the fast reader (parsers/csv.py) cannot: escape characters, files without quoting, comments,
footers, ragged records, blanks between cells, delimiters of several characters and characters beyond ASCII.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import Int64s, Mask, pc, to_mask
from ingestor.outcomes import MAX_NOTICE_ROWS, Notice
from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.encodings import detect_encoding, text_pieces
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.row_parts import RowPart, in_order, renumbered
from ingestor.tabular.records.header import HeaderShape
from ingestor.tabular.records.split_text import SplitText
from ingestor.tabular.records.text_blocks import TextBlock, TextBlocks, block_of
from ingestor.tabular.records.text_records import Record, RecordReader
from ingestor.tabular.text_table import BOM_IN_RECORD, EMPTY_CELLS_DROPPED, TextTable

_SAMPLE = 64 * 1024
_MOST_WIDTHS = 8  # of records in a table; those of others are read one by one


class DelimitedTable:
    """A delimited file."""

    def __init__(self, pieces: Iterator[str], options: ReadOptions, limits: Limits) -> None:
        self._options = options
        self._limits = limits
        reader = RecordReader(pieces, options, limits)
        for _ in range(options.skip_lines):
            if not reader.skip_line():
                break
        self._first: list[Record] = []
        self.columns: tuple[str, ...] = self._read_header(reader.records())
        self._text = TextBlocks(chain([reader.rest()], pieces), reader.line, options, limits)

    def _read_header(self, records: Iterator[Record]) -> tuple[str, ...]:
        options = self._options
        wanted = options.header_rows if options.header else 1
        rows: list[tuple[str, ...]] = []
        read = 0
        for record in records:
            if record.kind == "comment-row" or record.cells == ():
                continue
            if record.cells is not None:
                rows.append(tuple(cell or "" for cell in record.cells))
            elif options.columns is None:
                raise UnreadableFileError(
                    "HEADER_UNREADABLE", f"The header, on line {record.line + 1}, breaks the quoting rule."
                )
            if not options.header:
                self._first = [record]
            read += 1
            if read == wanted:
                break
        if not read:
            raise UnreadableFileError("FILE_EMPTY", "The file has no header: it is empty.")
        columns = header_labels(rows, options)
        if any("\0" in label or not _is_text(label) for label in columns):
            raise UnreadableFileError(
                "HEADER_UNREADABLE",
                "The header has NUL or bytes that are not valid in the encoding of the file. Declare the "
                "right encoding, or columns.",
            )
        if len(columns) > self._limits.max_columns:
            raise UnreadableFileError(
                "TOO_MANY_COLUMNS",
                f"The header has {len(columns)} columns; at most {self._limits.max_columns} can be loaded.",
            )
        return columns

    def blocks(self) -> Iterator[TextTable]:
        footer = self._options.skip_footer
        waiting: deque[TextBlock] = deque()  # as many as may belong to the footer
        count = 0
        for block in chain(map(block_of, filter(None, [self._first])), self._text.blocks()):
            waiting.append(block)
            count += len(block)
            while waiting and count - len(waiting[0]) >= footer:
                first = waiting.popleft()
                count -= len(first)
                yield from self._tables(first, len(first))
        for block in waiting:
            yield from self._tables(block, count - footer)
            count -= len(block)

    def _tables(self, block: TextBlock, end: int) -> Iterator[TextTable]:
        """The records of a block; those from `end` on belong to the footer."""
        rows = self._limits.rows_at_once(len(self.columns))
        for start in range(0, len(block), rows):
            yield self._table(block, np.arange(start, min(start + rows, len(block))), end)

    def _table(self, block: TextBlock, positions: Int64s, end: int) -> TextTable:
        """The table of some records, which follow each other."""
        width, start = len(self.columns), int(positions[0])
        plain = positions[block.is_plain[positions] & (positions < end)]
        parts: list[RowPart] = []
        dropped: list[int] = []
        if block.split is not None and plain.size:
            widths = block.split.widths[block.places[plain]]
            for found in self._readable(widths):
                part = self._part(block.split, block.places, plain[widths == found], found)
                parts.append(part)
                if found > width:
                    dropped += part.lines.tolist()
        left = np.ones(len(positions), np.bool_)
        for part in parts:
            left[part.lines - start] = False
        others = positions[left]
        alone = self._alone(block, others, end)
        parts.append(RowPart.of_table(alone, others))
        rows = in_order(parts)
        noted = [others[number - 1] for notice in alone.notices for number in notice.row_numbers]
        numbers = [position - start + 1 for position in sorted([*dropped, *noted])]
        count = len(dropped) + sum(notice.rows for notice in alone.notices)
        return TextTable(
            rows.columns, rows.lines - start, block.lines[rows.lines], len(positions),
            renumbered(alone.rejected, others - start),
            notices=(Notice(*EMPTY_CELLS_DROPPED, count, tuple(numbers[:MAX_NOTICE_ROWS])),) if count else (),
        )  # fmt: skip

    def _readable(self, widths: Int64s) -> list[int]:
        """The widths of records that are rows, the most common ones."""
        width = len(self.columns)
        found, counts = np.unique(widths, return_counts=True)
        common = found[np.argsort(-counts, kind="stable")][:_MOST_WIDTHS].tolist()
        return [
            each for each in common
            if each == width
            or (each < width and self._options.ragged == "pad")
            or (width < each <= self._limits.max_columns and self._options.extra_empty_cells == "drop")
        ]  # fmt: skip

    def _part(self, split: SplitText, places: Int64s, positions: Int64s, width: int) -> RowPart:
        """The rows of some plain records of one width, without those that need a closer look."""
        columns = split.columns(places[positions], width)
        wanted = len(self.columns)
        anything = "" if width == wanted else "[^ \t]"
        right = np.zeros(len(positions), np.bool_)
        for column in columns:
            right |= _matches(column, anything)
            if right.all():
                break
        for column in columns[wanted:]:
            right &= ~_matches(column, "")
        columns = columns[:wanted] + [pa.nulls(len(positions), pa.string())] * (wanted - width)
        if not right.all():
            positions = positions[right]
            columns = [column.filter(pa.array(right)) for column in columns]
        return RowPart(positions, columns, {})

    def _alone(self, block: TextBlock, positions: Int64s, end: int) -> TextTable:
        """The table of some records, read one by one."""
        builder = BlockBuilder(len(self.columns))
        for position in positions.tolist():
            record = self._text.record(block, position)
            if position < end:
                self._add(builder, record)
            else:
                builder.skip(record.line, "footer-row", "The record belongs to the footer.", record.text)
        return builder.take()

    def _add(self, builder: BlockBuilder, record: Record) -> None:
        line, cells, text, width = record.line, record.cells, record.text, len(self.columns)
        if record.kind == "comment-row":
            builder.skip(line, "comment-row", "The record is a comment.", text)
        elif text.startswith("\ufeff"):
            builder.reject(line, "encoding-error", BOM_IN_RECORD, text)
        elif cells is None:
            too_long = f"The record is longer than {self._limits.max_record_bytes} characters."
            message = too_long if record.kind == "record-too-long" else _QUOTE_ERROR
            builder.reject(line, record.kind, message, text)
        elif not self._holds_something(cells, text):
            builder.skip(line, "blank-row", "The record is blank.", text)
        elif len(cells) == width:
            builder.add(line, cells, len(text))
        elif len(cells) < width and self._options.ragged == "pad":
            builder.add(line, (*cells, *[None] * (width - len(cells))), len(text))
        elif len(cells) < width:
            message = f"The record has {len(cells)} of {width} cells."
            builder.reject(line, "missing-cell", message, text, _texts(cells))
        elif self._drops(cells):
            builder.add(line, cells[:width], len(text))
            builder.note(*EMPTY_CELLS_DROPPED)
        else:
            message = f"The record has {len(cells)} cells, the header has {width}."
            builder.reject(line, "extra-cell", message, text, _texts(cells))

    def _drops(self, cells: Sequence[str | None]) -> bool:
        """Whether a record that is too wide is a row without its further cells."""
        few = len(cells) <= self._limits.max_columns
        return few and self._options.extra_empty_cells == "drop" and not any(cells[len(self.columns) :])

    def _holds_something(self, cells: Sequence[str | None], text: str) -> bool:
        """False for a record of empty cells, or of blank ones where it is no row anyway. Quotes are something
        where they matter."""
        whole = len(cells) == len(self.columns)
        if any(cell if whole else cell.strip(" \t") for cell in cells if cell):
            return True
        return self._options.empty_quoted == "text" and self._options.quote in text


def _matches(column: pa.StringArray, pattern: str) -> Mask:
    """Which cells match; "" is matched by all that are not empty."""
    if pattern:
        return to_mask(pc.match_substring_regex(column, pattern), null=False)
    return to_mask(pc.greater(pc.binary_length(column), 0), null=False)


def _is_text(label: str) -> bool:
    """Whether no byte of a label was invalid (see text_pieces)."""
    return label.isascii() or not any("\ud800" <= character <= "\udfff" for character in label)


def _texts(cells: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(cell or "" for cell in cells)


_QUOTE_ERROR = (
    "A quote stands inside an unquoted cell, text follows a closing quote, or a quoted cell "
    "is never properly closed."
)


def header_labels(rows: Sequence[Sequence[str]], options: ReadOptions) -> tuple[str, ...]:
    """The labels of a table whose header are these records (without a header: the first record)."""
    return HeaderShape.of(options).labels(rows)


class DelimitedParser(TableParser):
    name = "csv"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """True: any text is delimited text, so this parser is asked last."""
        return True

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[DelimitedTable]:
        encoding = options.encoding
        if encoding is None:
            head = file.read(_SAMPLE)
            encoding = detect_encoding(head, whole=len(head) < _SAMPLE)
            file.seek(0)
        yield DelimitedTable(text_pieces(file, encoding), options, limits)
