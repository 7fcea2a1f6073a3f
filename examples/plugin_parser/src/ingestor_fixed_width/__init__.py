"""Reads tables of fixed widths: a line `#fixed 6 20 10`, a line of labels, then the rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import BinaryIO

from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.text_table import TextTable

_MARK = b"#fixed "


class FixedWidthTable:
    """A ParsedTable: cuts the lines of a file at fixed positions."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        ruler = file.readline().decode().split()[1:]
        if not ruler or not all(width.isdecimal() and int(width) > 0 for width in ruler):
            raise UnreadableFileError(
                "RULER_INVALID",
                "The first line must be #fixed and the width of each column, such as #fixed 6 20 10.",
            )
        ends = [0]
        for width in ruler:
            ends.append(ends[-1] + int(width))
        self._bounds = list(pairwise(ends))
        self.columns = tuple(self._cells(file.readline().decode()))

    def _cells(self, line: str) -> list[str]:
        return [line[start:end].strip() for start, end in self._bounds]

    def blocks(self) -> Iterator[TextTable]:
        builder = BlockBuilder(len(self.columns))
        width = self._bounds[-1][1]
        for line, data in enumerate(self._file, 2):
            try:
                text = data.decode().rstrip("\r\n")
            except UnicodeDecodeError:
                builder.reject(line, "encoding-error", "The line is not UTF-8.", repr(data)[2:-1])
                continue
            if len(text) > width:
                message = f"The line has {len(text)} characters, but the columns only {width}."
                builder.reject(line, "extra-cell", message, text)
            else:
                builder.add(line, self._cells(text), len(text))
            if builder.full:
                yield builder.take()
        if not builder.empty:
            yield builder.take()


class FixedWidthParser(TableParser):
    name = "fixed-width"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether it begins with a ruler."""
        return head.startswith(_MARK)

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[FixedWidthTable]:
        yield FixedWidthTable(file)
