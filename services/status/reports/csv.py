"""The report as CSV (RFC 4180, UTF-8, CRLF), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from services.status.reports.cells import cells, headings
from services.status.rows import Row

# What a spreadsheet runs as a formula when a cell begins with it (OWASP, "CSV Injection").
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r")
_FIRST = frozenset({"'", *_TRIGGERS})
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def guard(cell: str) -> str:
    """The cell with a leading apostrophe when a spreadsheet would run it; plain numbers such as -5
    are left alone. A cell that already looks guarded gets another one, so that `unguard` is exact."""
    if cell[:1] not in _FIRST:
        return cell
    bare = cell.lstrip("'")
    if bare.startswith(_TRIGGERS) and not (bare == cell and _NUMBER.fullmatch(cell)):
        return "'" + cell
    return cell


def unguard(cell: str) -> str:
    """Undo `guard`."""
    if cell.startswith("'") and cell.lstrip("'").startswith(_TRIGGERS):
        return cell[1:]
    return cell


class CsvReportWriter:
    """See ReportWriter."""

    def __init__(self) -> None:
        self._width = 0
        self._with_state = False

    def header(self, columns: Sequence[str], *, with_state: bool) -> bytes:
        """See ReportWriter."""
        self._width, self._with_state = len(columns), with_state
        return _lines([headings(columns, with_state=with_state)])

    def lines(self, rows: Iterable[Row]) -> bytes:
        """See ReportWriter."""
        return _lines(cells(row, self._width, with_state=self._with_state) for row in rows)

    def end(self) -> bytes:
        """See ReportWriter."""
        return b""


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows([guard(cell) for cell in row] for row in rows)
    return buffer.getvalue().encode()
