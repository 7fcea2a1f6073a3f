"""Cells as fields of CSV, a whole column at once."""

from __future__ import annotations

from collections.abc import Sequence

from ingestor.reports import guard, may_need_guard

_QUOTE = '"'


def fields(column: Sequence[str]) -> Sequence[str]:
    """The cells guarded (see ingestor.reports) and, where they need it, in quotes."""
    if len(column) > 1 and column.count(column[0]) == len(column):
        return list(fields(column[:1])) * len(column)
    separator = "\x7f"
    whole = separator.join(column)
    if may_need_guard(whole, separator):
        column = list(map(guard, column))
    if not _has_special(whole):
        return column
    if _QUOTE in whole:
        doubled = separator.join(column).replace(_QUOTE, _QUOTE * 2).split(separator)
        # If a cell has the separator, each is doubled alone.
        if len(doubled) != len(column):
            doubled = [cell.replace(_QUOTE, _QUOTE * 2) for cell in column]
        column = doubled
    return [f'"{cell}"' if _QUOTE in cell or _has_special(cell) else cell for cell in column]


def is_plain(cells: str, separator: str) -> bool:
    """Whether cells, between separators, are fields as they are. False may be wrong."""
    return not _has_special(cells) and not may_need_guard(cells, separator)


def _has_special(text: str) -> bool:
    # Four searches for one character each take a fifth of the time of one for any of them.
    return _QUOTE in text or "," in text or "\n" in text or "\r" in text
