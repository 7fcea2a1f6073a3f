"""The report of rejected rows as CSV (RFC 4180, UTF-8, CRLF).

Columns: the file's own in their order, then _row,_line,_code,_field,_value,_message. One line a row;
several errors of a row are joined by "; ". A row whose record could not be split leaves the file's
columns empty and has the record's text in _value.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from services.status.rows import Row

EXTRA_COLUMNS = ("_row", "_line", "_code", "_field", "_value", "_message")
# What a spreadsheet runs as a formula when a cell begins with it (OWASP, "CSV Injection").
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def guard(cell: str) -> str:
    """The cell with a leading apostrophe when a spreadsheet would run it; plain numbers such as -5
    are left alone. A cell that already looks guarded gets another one, so that `unguard` is exact."""
    bare = cell.lstrip("'")
    if bare.startswith(_TRIGGERS) and not (bare == cell and _NUMBER.fullmatch(cell)):
        return "'" + cell
    return cell


def unguard(cell: str) -> str:
    """Undo `guard`."""
    if cell.startswith("'") and cell.lstrip("'").startswith(_TRIGGERS):
        return cell[1:]
    return cell


def header(columns: Sequence[str]) -> bytes:
    """The report's first line."""
    return _lines([[*(guard(column) for column in columns), *EXTRA_COLUMNS]])


def lines(rows: Iterable[Row], width: int) -> bytes:
    """The report's lines of these rows; `width` is the number of the file's columns."""
    return _lines(_cells(row, width) for row in rows)


def _cells(row: Row, width: int) -> list[str]:
    own = list(row.cells) if len(row.cells) == width else [""] * width
    made = [
        *own,
        str(row.row_number),
        str(row.line_number) if row.line_number else "",
        "; ".join(error.code for error in row.errors),
        "; ".join(error.field for error in row.errors),
        "; ".join(error.value for error in row.errors),
        "; ".join(error.message for error in row.errors),
    ]
    return [guard(cell) for cell in made]


def _lines(cells: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(cells)
    return buffer.getvalue().encode()
