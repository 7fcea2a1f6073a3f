"""What a report of rows looks like as a table, for the service that writes it and the one that takes it
back corrected."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

_PLACE = ("_row", "_line")
_STATE = "_state"
_REASONS = ("_code", "_field", "_value", "_message")

# Ends a cell of which only the beginning is kept, so that it never comes back as if it were whole.
CUT = "…[cut]"

# Of what a corrected report becomes (see ingestor.repair_file): the column before the repaired table's own.
NUMBER_LABEL = "_row"

# Code of a row of a repair that is skipped since the row that it stands for has not failed, or not any more.
NOT_FAILED = "not-failed"

# The keys of a JSON Lines report's objects that a repair reads.
JSON_ROW = "row"
JSON_CELLS = "cells"

# What a spreadsheet runs as a formula when a cell begins with it (OWASP, "CSV Injection").
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r")
_FIRST = frozenset({"'", *_TRIGGERS})
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class OriginalTable:
    """The table whose rows are repaired: its columns' labels ("" for one that was left out), its rows'
    number, and whether an empty cell of a report stands for a null of it."""

    columns: tuple[str, ...]
    row_count: int
    empty_is_null: bool

    def to_json(self) -> str:
        """`from_json` undoes it."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> OriginalTable:
        """Undo `to_json`."""
        found = json.loads(text)
        return OriginalTable(tuple(found["columns"]), found["row_count"], found["empty_is_null"])


def headings(columns: Sequence[str], *, with_state: bool) -> list[str]:
    """The columns of a report as CSV or XLSX: the file's own, then the report's. Where the file has a
    column of such a name, the report's gets another underscore, so that it is never taken for the other."""
    names = [*_PLACE, *([_STATE] if with_state else []), *_REASONS]
    return [*columns, *(_free(name, columns) for name in names)]


def row_column(columns: Sequence[str]) -> str:
    """What the column of a report is called that has the rows' numbers."""
    return _free(_PLACE[0], columns)


def _free(name: str, columns: Sequence[str]) -> str:
    while name in columns:
        name = "_" + name
    return name


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


def is_json_report(labels: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether a table with these labels is a report of a file with those columns that was JSON Lines."""
    return row_column(columns) not in labels and JSON_ROW in labels and JSON_CELLS in labels


def repair_problem(labels: Sequence[str], columns: Sequence[str]) -> tuple[str, str] | None:
    """Why a table with these labels is no corrected report of a file with those columns: reason and
    sentence; None when it is one. Columns called "" were left out of the file and are not asked for."""
    if is_json_report(labels, columns):
        return None
    wanted = [row_column(columns), *(column for column in columns if column)]
    missing = [column for column in wanted if column not in labels]
    if missing:
        listed = ", ".join(f'"{column}"' for column in missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        return (
            "NOT_A_REPORT",
            f"The file is no report of the process that it repairs: it lacks {listed}{more}.",
        )
    twice = [column for column in wanted if labels.count(column) > 1]
    if twice:
        return "NOT_A_REPORT", f'The file has the column "{twice[0]}" more than once; only one can be meant.'
    return None
