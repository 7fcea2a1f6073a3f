"""Reads delimited text of any dialect, record by record, in Python.

Handles what the fast reader (parsers/csv.py) cannot: escape characters, files without quoting, comments,
footers, ragged records and characters beyond ASCII. The rule is that of `exact.py`: a record begins at the
start of a physical line; one that breaks the quoting rule is exactly that line, and the next begins after it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.encodings import detect_encoding, text_pieces
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.text_table import TextTable

_LINE_END = re.compile(r"\r\n|\n|\r")
_SAMPLE = 64 * 1024
_KEPT = 1024  # characters kept of a rejected record


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its cells, or why it has none."""

    line: int
    """Physical line on which it starts, from 0."""
    cells: tuple[str, ...] | None
    """() for a blank record, None for a broken one."""
    text: str
    """Without its line end."""
    kind: str = ""
    """"quote-error" or "record-too-long" for a broken record, "comment-row" for a comment."""


class _Reader:
    """Splits a text that arrives in pieces into records. Holds one piece and one record of at most
    `max_record_bytes` characters."""

    def __init__(self, pieces: Iterator[str], options: ReadOptions, limits: Limits) -> None:
        self._pieces = pieces
        self._text = ""
        self._at = 0  # where the next record begins
        self._line = 0
        self._ended = False
        self._most = limits.max_record_bytes
        self._delimiter = options.delimiter or ","
        self._quote = options.quote if options.quoting else None
        self._double = options.double_quote
        self._escape = options.escape_char
        self._comment = options.comment_char
        quote = re.escape(self._quote or "")
        escape = re.escape(self._escape or "")
        delimiter = re.escape(self._delimiter)
        # The characters that end a plain run, outside and inside quotes.
        self._outside = re.compile(f"[{delimiter}{quote}{escape}\r\n]")
        self._inside = re.compile(f"[{quote}{escape}]") if self._quote else None

    def _more(self) -> bool:
        """Append the next piece; False at the end of the text."""
        if self._ended:
            return False
        piece = next(self._pieces, None)
        if piece is None:
            self._ended = True
            return False
        self._text = self._text[self._at :] + piece
        self._at = 0
        return True

    def skip_line(self) -> bool:
        """Skip a physical line; False at the end of the text."""
        end, after = self._line_end()
        if after == self._at and end == after:
            return False
        self._at = after
        self._line += 1
        return True

    def _line_end(self) -> tuple[int, int]:
        """Where the physical line ends, without its line end, and where the next one starts."""
        seen = 0
        while True:
            found = _LINE_END.search(self._text, self._at + max(seen - 1, 0))
            # After a CR at the very end an LF may follow.
            if found and (found.end() < len(self._text) or self._ended):
                return found.span()
            seen = len(self._text) - self._at
            if not self._more():
                found = _LINE_END.search(self._text, self._at)
                return found.span() if found else (len(self._text), len(self._text))

    def records(self) -> Iterator[Record]:
        """The remaining records."""
        while self._at < len(self._text) or self._more():
            if self._at == len(self._text):
                continue
            yield self._record()

    def certain(self, skip_lines: int) -> int:
        """How many characters of a text, fed as one piece, are records that no further text can change."""
        for _ in range(skip_lines):
            self.skip_line()
        end = 0
        for _ in self.records():
            if self._ended:
                break
            end = self._at
        return end

    def _record(self) -> Record:
        line = self._line
        if self._comment and self._text.startswith(self._comment, self._at):
            return self._line_record("comment-row")
        while True:
            outcome = self._split()
            if outcome != "more":
                break
            if len(self._text) - self._at > self._most + 2:
                return self._line_record("record-too-long" if self._first_line_is_long() else "quote-error")
            if not self._more():
                outcome = self._split()
                break
        if isinstance(outcome, str):
            return self._line_record("quote-error")
        cells, end, after = outcome
        if end - self._at > self._most:
            return self._line_record("record-too-long" if self._first_line_is_long() else "quote-error")
        text = self._text[self._at : end]
        self._at = after
        self._line += 1 + sum(1 for _ in _LINE_END.finditer(text))
        return Record(line, cells if text else (), text)

    def _first_line_is_long(self) -> bool:
        found = _LINE_END.search(self._text, self._at)
        return (found.start() if found else len(self._text)) - self._at > self._most

    def _line_record(self, kind: str) -> Record:
        """The physical line as a record without cells; keeps only the beginning of a long line."""
        line, kept = self._line, ""
        while True:
            found = _LINE_END.search(self._text, self._at)
            if found and (found.end() < len(self._text) or self._ended):
                kept += self._text[self._at : found.start()][: _KEPT - len(kept)]
                self._at = found.end()
                break
            if not found:
                kept += self._text[self._at :][: _KEPT - len(kept)]
                self._at = len(self._text)
            if not self._more() and not found:
                break
        self._line += 1
        return Record(line, None, kept, kind)

    def _split(self) -> tuple[tuple[str, ...], int, int] | str:
        """Cells of the record at `_at`, its end, and where the next one begins; or "more" when only more text
        can decide, or "broken"."""
        text, at, size, ended = self._text, self._at, len(self._text), self._ended
        quote, escape = self._quote, self._escape
        cells: list[str] = []
        while True:
            if quote and text.startswith(quote, at):
                parsed = self._quoted(at + 1)
                if isinstance(parsed, str):
                    return parsed
                cell, at = parsed
                if at == size:
                    return ((*cells, cell), at, at) if ended else "more"
                if text[at] not in (self._delimiter, "\r", "\n"):
                    return "broken"
            else:
                parts: list[str] = []
                while True:
                    found = self._outside.search(text, at)
                    if not found:
                        if not ended:
                            return "more"
                        parts.append(text[at:])
                        at = size
                        break
                    parts.append(text[at : found.start()])
                    at = found.start()
                    if escape and text[at] == escape:
                        if at + 1 == size:
                            return "broken" if ended else "more"
                        parts.append(text[at + 1])
                        at += 2
                        continue
                    if text[at] == quote:
                        return "broken"
                    break
                cell = "".join(parts)
            cells.append(cell)
            if at == size:
                return (tuple(cells), at, at) if ended else "more"
            if text[at] == self._delimiter:
                at += 1
                continue
            if text[at] == "\n":
                return tuple(cells), at, at + 1
            if at + 1 == size and not ended:
                return "more"
            return tuple(cells), at, at + 2 if text[at + 1 : at + 2] == "\n" else at + 1

    def _quoted(self, at: int) -> tuple[str, int] | str:
        """The quoted cell whose opening quote is before `at`, and the position after its closing quote; or
        "more" or "broken", see _split."""
        text, ended = self._text, self._ended
        assert self._inside is not None
        parts: list[str] = []
        while True:
            found = self._inside.search(text, at)
            if not found:
                return "broken" if ended else "more"
            parts.append(text[at : found.start()])
            at = found.start()
            following = text[at + 1 : at + 2]
            if not following and not ended:
                return "more"
            if text[at] == self._escape and (self._escape != self._quote):
                if not following:
                    return "broken"
                parts.append(following)
                at += 2
            elif self._double and following == self._quote:
                parts.append(following)
                at += 2
            else:
                return "".join(parts), at + 1


def whole_records(text: str, options: ReadOptions, limits: Limits) -> str:
    """The part of an incomplete text that holds the records that no further text can change."""
    reader = _Reader(iter((text,)), options, limits)
    return text[: reader.certain(options.skip_lines)]


class DelimitedTable:
    """A delimited file, read record by record."""

    def __init__(self, reader: _Reader, options: ReadOptions, limits: Limits) -> None:
        self._options = options
        self._limits = limits
        for _ in range(options.skip_lines):
            if not reader.skip_line():
                break
        self._records = reader.records()
        self._first: list[Record] = []
        self.columns: tuple[str, ...] = self._read_header()

    def _read_header(self) -> tuple[str, ...]:
        rows: list[tuple[str, ...]] = []
        for record in self._records:
            if record.kind == "comment-row" or record.cells == ():
                continue
            if record.cells is None:
                raise UnreadableFileError(
                    "HEADER_UNREADABLE", f"The header, on line {record.line + 1}, breaks the quoting rule."
                )
            rows.append(record.cells)
            if not self._options.header:
                self._first = [record]
            if len(rows) == (self._options.header_rows if self._options.header else 1):
                break
        if not rows:
            raise UnreadableFileError("FILE_EMPTY", "The file has no header: it is empty.")
        columns = header_labels(rows, self._options)
        if len(columns) > self._limits.max_columns:
            raise UnreadableFileError(
                "TOO_MANY_COLUMNS",
                f"The header has {len(columns)} columns; at most {self._limits.max_columns} can be loaded.",
            )
        return columns

    def blocks(self) -> Iterator[TextTable]:
        width = len(self.columns)
        builder = BlockBuilder(width)
        waiting: deque[Record] = deque()

        def add(record: Record, footer: bool = False) -> None:
            line, cells, text = record.line, record.cells, record.text
            if footer:
                builder.skip(line, "footer-row", "The record belongs to the footer.", text)
            elif record.kind == "comment-row":
                builder.skip(line, "comment-row", "The record is a comment.", text)
            elif cells is None:
                too_long = f"The record is longer than {self._limits.max_record_bytes} characters."
                message = too_long if record.kind == "record-too-long" else _QUOTE_ERROR
                builder.reject(line, record.kind, message, text)
            elif not cells:
                builder.skip(line, "blank-row", "The record is blank.", "")
            elif len(cells) == width:
                builder.add(line, cells, len(text))
            elif len(cells) < width and self._options.ragged == "pad":
                builder.add(line, (*cells, *[None] * (width - len(cells))), len(text))
            elif len(cells) < width:
                message = f"The record has {len(cells)} of {width} cells."
                builder.reject(line, "missing-cell", message, text, cells)
            else:
                message = f"The record has {len(cells)} cells, the header has {width}."
                builder.reject(line, "extra-cell", message, text, cells)

        footer = self._options.skip_footer
        for record in chain(self._first, self._records):
            waiting.append(record)
            if len(waiting) > footer:
                add(waiting.popleft())
                if builder.full:
                    yield builder.take()
        for record in waiting:
            add(record, footer=True)
        if not builder.empty:
            yield builder.take()


_QUOTE_ERROR = (
    "A quote stands inside an unquoted cell, text follows a closing quote, or a quoted cell "
    "is never properly closed."
)


def header_labels(rows: Sequence[Sequence[str]], options: ReadOptions) -> tuple[str, ...]:
    """The labels of a header of these records, joined column by column; numbered without a header."""
    width = max(map(len, rows))
    if not options.header:
        return tuple(f"column_{position}" for position in range(1, width + 1))
    labels = []
    for position in range(width):
        parts = [row[position] for row in rows if position < len(row) and row[position]]
        labels.append(options.header_join.join(parts))
    return tuple(labels)


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
        yield DelimitedTable(_Reader(text_pieces(file, encoding), options, limits), options, limits)
