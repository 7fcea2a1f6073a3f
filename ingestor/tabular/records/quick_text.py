"""Splits a text at once, with the reader of Python's library, where each of its lines is one record.

The rule is that of `text_records.py`, which the library's reader does not follow: it takes a quote inside a
cell without quotes as text. So a text where a cell has a quote takes a closer look, unless all are doubled.
"""

from __future__ import annotations

import csv
import re
from functools import lru_cache

LONGEST_LINE = 8192
"""Characters; longer lines take a closer look."""


def quick_lines(text: str, most: int) -> list[str] | None:
    """The first lines of a text, at most `most`, without their line ends. None where a CR ends one without an
    LF, or one is long."""
    lines = text.split("\n", most)
    if len(lines) > most or not lines[-1]:
        lines.pop()
    if "\r" in text:
        lines = [line.removesuffix("\r") for line in lines]
        if any("\r" in line for line in lines):
            return None
    return lines if max(map(len, lines), default=0) <= LONGEST_LINE else None


def quick_records(lines: list[str], delimiter: str, quote: str) -> list[list[str]] | None:
    """The cells of lines of which each is one record: none of an empty line. None where that takes a closer
    look. Both marks are one character; `quote` may be "" for none."""
    if not quote:
        return [line.split(delimiter) if line else [] for line in lines]
    if delimiter == quote:
        return None
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True))
    except csv.Error:
        return None
    if len(rows) != len(lines):
        return None
    line = _pattern(delimiter, quote)
    for cells, text in zip(rows, lines, strict=True):
        if quote in "".join(cells) and not line.fullmatch(text):
            return None
    return rows


@lru_cache(maxsize=64)
def _pattern(delimiter: str, quote: str) -> re.Pattern[str]:
    """A record in which each quote encloses a cell or is doubled."""
    between, mark = re.escape(delimiter), re.escape(quote)
    cell = rf"(?:{mark}[^{mark}]*+(?:{mark}{mark}[^{mark}]*+)*+{mark}|[^{between}{mark}]*+)"
    return re.compile(rf"{cell}(?:{between}{cell})*+")
