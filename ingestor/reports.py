"""What a report of rows looks like as a table, for the service that writes it and the one that takes it
back corrected."""

from __future__ import annotations

import re
from collections.abc import Sequence

ROW_COLUMN = "_row"
STATE_COLUMN = "_state"
_PLACE = (ROW_COLUMN, "_line")
_REASONS = ("_code", "_field", "_value", "_message")

# The keys of a JSON Lines report's objects that a repair reads.
JSON_ROW = "row"
JSON_CELLS = "cells"

# What a spreadsheet runs as a formula when a cell begins with it (OWASP, "CSV Injection").
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r")
_FIRST = frozenset({"'", *_TRIGGERS})
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def headings(columns: Sequence[str], *, with_state: bool) -> list[str]:
    """The columns of a report as CSV or XLSX: the file's own, then the report's."""
    return [*columns, *_PLACE, *([STATE_COLUMN] if with_state else []), *_REASONS]


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


def is_json_report(labels: Sequence[str]) -> bool:
    """Whether a table with these labels is a report that was JSON Lines."""
    return ROW_COLUMN not in labels and JSON_ROW in labels and JSON_CELLS in labels


def repair_problem(labels: Sequence[str], columns: Sequence[str]) -> tuple[str, str] | None:
    """Why a table with these labels is no corrected report of a file with those columns: reason and
    sentence; None when it is one. Columns called "" were left out of the file and are not asked for."""
    if is_json_report(labels):
        return None
    wanted = [ROW_COLUMN, *(column for column in columns if column)]
    missing = [column for column in wanted if column not in labels]
    if not missing:
        return None
    listed = ", ".join(f'"{column}"' for column in missing[:10])
    more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
    return "NOT_A_REPORT", f"The file is no report of the process that it repairs: it lacks {listed}{more}."
