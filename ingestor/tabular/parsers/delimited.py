"""Reads delimited text of any dialect, record by record, in Python.

Handles what the fast reader (parsers/csv.py) cannot: escape characters, files without quoting, comments,
footers, ragged records, blanks between cells, delimiters of several characters and characters beyond ASCII.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO

from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.encodings import detect_encoding, text_pieces
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.header import HeaderShape
from ingestor.tabular.records.text_records import Record, RecordReader
from ingestor.tabular.text_table import BOM_IN_RECORD, EMPTY_CELLS_DROPPED, TextTable

_SAMPLE = 64 * 1024


class DelimitedTable:
    """A delimited file, read record by record."""

    def __init__(self, reader: RecordReader, options: ReadOptions, limits: Limits) -> None:
        self._options = options
        self._limits = limits
        for _ in range(options.skip_lines):
            if not reader.skip_line():
                break
        self._records = reader.records()
        self._first: list[Record] = []
        self.columns: tuple[str, ...] = self._read_header()

    def _read_header(self) -> tuple[str, ...]:
        options = self._options
        wanted = options.header_rows if options.header else 1
        rows: list[tuple[str, ...]] = []
        read = 0
        for record in self._records:
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
        builder = BlockBuilder(len(self.columns), self._limits.block_rows)
        waiting: deque[Record] = deque()
        for record in chain(self._first, self._records):
            waiting.append(record)
            if len(waiting) > footer:
                self._add(builder, waiting.popleft())
                if builder.full:
                    yield builder.take()
        for record in waiting:
            builder.skip(record.line, "footer-row", "The record belongs to the footer.", record.text)
        if not builder.empty:
            yield builder.take()

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
        yield DelimitedTable(RecordReader(text_pieces(file, encoding), options, limits), options, limits)
