"""Finds the merged cells at the top of a sheet, which the sheet lists below its rows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingestor.tabular.parsers.xlsx.package import Package
from ingestor.tabular.parsers.xlsx.sheet import MAX_COLUMNS, column_of

_MAX_BYTES = 256 * 2**20  # of a sheet that is searched: less than half a second
_LONGEST = 256  # bytes of an element; the pattern looks no further, so that no text takes it long
_MOST = 10_000  # that are kept
_WORD = b"mergeCell"
_MERGE = re.compile(
    rb"""<(?:\w{1,40}:)?mergeCell\s[^<>]{0,200}?ref=["']\$?([A-Za-z]+)\$?(\d{1,7}):\$?([A-Za-z]+)\$?(\d{1,7})["']"""
)


@dataclass(frozen=True, slots=True)
class Merge:
    """Cells that show the value of the first one. Rows count from 1, columns from 0; both ends belong."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


def merges_above(package: Package, part: str, row: int) -> list[Merge]:
    """The merged cells of a sheet that begin in this row or above; none if the sheet is too large to search.
    Raises UnreadableFileError."""
    if package.size(part) > _MAX_BYTES:
        return []
    found: dict[Merge, None] = {}
    rest = b""
    for piece in package.pieces(part):
        text = rest + piece
        # To look for a word takes a fraction of the pattern's time, and few pieces have it.
        for match in _MERGE.finditer(text) if _WORD in text else ():
            merge = Merge(
                int(match[2]), int(match[4]), column_of(match[1].decode()), column_of(match[3].decode())
            )
            if merge.first_row <= row and merge.last_column < MAX_COLUMNS and len(found) < _MOST:
                found[merge] = None
        rest = text[-_LONGEST:]
    return list(found)
