"""Reads a sheet: rows that are plain many at once, the others with the XML parser."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ingestor.tabular.parsers.xlsx.package import Package, PartParser
from ingestor.tabular.parsers.xlsx.plain_rows import PlainRows, RowBlock
from ingestor.tabular.parsers.xlsx.sheet import Book, Row, Sheet, SheetHandler

_ENCODING = re.compile(rb"""<\?xml[^>]*?encoding=["']([^"']*)["']""")
_LONGEST = 4 * 2**20  # bytes of the XML of a row
_ROW_END = b"</row>"
_DATA_END = b"</sheetData"
_ANYTHING_WITHIN = (b"<!", b"<?")  # comments and the like
_FEWEST = 8  # rows that follow each other, on average, where they are read at once


class SheetReader:
    """The rows of a sheet that hold something, or the empty text. `sheet` is filled meanwhile. Raises
    UnreadableFileError."""

    def __init__(self, package: Package, part: str, book: Book, sheet: Sheet) -> None:
        self._pieces = package.pieces(part)
        self._handler = SheetHandler(book, sheet)
        self._parser = PartParser(part, self._handler)
        self._ready: deque[Row] = deque()
        self._is_utf8: bool | None = None
        self._ended = False

    def rows(self) -> Iterator[Row]:
        """The next rows, one by one."""
        while True:
            while self._ready:
                yield self._ready.popleft()
            if self._ended:
                return
            piece = next(self._pieces, None)
            if piece is None:
                self._end()
                continue
            if self._is_utf8 is None:
                self._is_utf8 = _is_utf8(piece)
            self._parser.feed(piece)
            self._ready.extend(self._taken())

    def blocks(self) -> Iterator[list[Row] | PlainRows]:
        """The rows that are left."""
        yield list(self._ready)
        self._ready.clear()
        text = bytearray()
        at_once = bool(self._is_utf8)  # as long as nothing is odd but single rows
        between = False
        for piece in self._pieces:
            text += piece
            if at_once and not between:
                # The XML parser is anywhere in a row: first to its end.
                end = text.find(_ROW_END) + len(_ROW_END)
                between = end >= len(_ROW_END)
                self._handler.is_between_rows = False
                self._parser.feed(self._cut(text, end if between else max(0, len(text) - len(_ROW_END))))
                yield self._taken()
                at_once = not between or self._handler.is_between_rows
            if at_once and between:
                data_end = text.find(_DATA_END)
                end = text.rfind(_ROW_END, 0, len(text) if data_end < 0 else data_end) + len(_ROW_END)
                if any(mark in text for mark in _ANYTHING_WITHIN):
                    at_once = False
                elif end >= len(_ROW_END):
                    yield from self._rows_of(self._cut(text, end))
                    at_once = self._handler.is_between_rows
                at_once &= data_end < 0 and len(text) <= _LONGEST
            if not at_once:
                self._parser.feed(self._cut(text, len(text)))
                yield self._taken()
        if not self._ended:
            self._parser.feed(bytes(text))
            self._end()
            yield self._taken()

    def _end(self) -> None:
        self._ended = True
        self._parser.end()

    @staticmethod
    def _cut(text: bytearray, end: int) -> bytes:
        data = bytes(text[:end])
        del text[:end]
        return data

    def _taken(self) -> list[Row]:
        rows = self._handler.rows.copy()
        self._handler.rows.clear()
        return rows

    def _rows_of(self, data: bytes) -> Iterator[list[Row] | PlainRows]:
        """The rows of some XML that begins between rows and ends with one."""
        start = data.find(b"<row")
        handler = self._handler
        block = RowBlock(data[start:], handler.number, handler) if start >= 0 else None
        if block is None or data[:start].strip() or not block.is_plain.any():
            self._parser.feed(data)
            yield self._taken()
            return
        plain = block.is_plain
        edges = [0, *(np.flatnonzero(np.diff(plain)) + 1).tolist(), len(plain)]
        if len(edges) * _FEWEST > len(plain) and len(edges) > 3:
            self._parser.feed(data)
            yield self._taken()
            return
        places = [*block.begins.tolist(), len(block.data)]
        for first, end in pairwise(edges):
            if plain[first]:
                yield block.rows(first, end)
                handler.pass_rows(int(block.numbers[end - 1]))
                continue
            self._parser.feed(block.data[places[first] : places[end]])
            yield self._taken()
            if not handler.is_between_rows or handler.number != block.numbers[end - 1]:
                # It is not what it looked like.
                self._parser.feed(block.data[places[end] :])
                yield self._taken()
                return


def _is_utf8(piece: bytes) -> bool:
    """Whether XML that begins so is in UTF-8."""
    declared = _ENCODING.search(piece[:1024])
    name = declared[1].decode("ascii", "replace").lower() if declared else "utf-8"
    return b"\0" not in piece[:4] and not piece.startswith((b"\xff", b"\xfe")) and name == "utf-8"
