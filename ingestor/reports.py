"""The layout of reports of rows, for the service that writes them and the one that reads repair files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

_POSITION = ("_row", "_line")
_STATE = "_state"
_REASONS = ("_code", "_field", "_value", "_message")

# Ends a shortened cell, so that a repair file with it is not taken as whole.
CUT = "…[cut]"

# The column with row numbers in a converted repair file (see ingestor.repair_file).
NUMBER_LABEL = "_row"

# Code of a skipped row of a repair: the row that it repairs has not failed, or does not fail any more.
NOT_FAILED = "not-failed"

# The keys that a repair reads of the objects of a JSON Lines report.
JSON_ROW = "row"
JSON_CELLS = "cells"

# What a spreadsheet runs as a formula when a cell begins with it (OWASP, "CSV Injection").
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r")
_FIRST = frozenset({"'", *_TRIGGERS})
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class OriginalTable:
    """The table of the repaired process: the labels of its columns ("" for one that is left out), the number
    of its rows, and whether an empty cell of a report stands for a null."""

    columns: tuple[str, ...]
    row_count: int
    empty_is_null: bool

    def to_json(self) -> str:
        """As JSON, for `from_json`."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> OriginalTable:
        """From the text of `to_json`."""
        found = json.loads(text)
        return OriginalTable(tuple(found["columns"]), found["row_count"], found["empty_is_null"])


def headings(columns: Sequence[str], *, with_state: bool) -> list[str]:
    """The columns of a report as CSV or XLSX: those of the file, then those of the report. A column of the
    report whose name the file uses gets another underscore."""
    names = [*_POSITION, *([_STATE] if with_state else []), *_REASONS]
    return [*columns, *(_free(name, columns) for name in names)]


def row_column(columns: Sequence[str]) -> str:
    """The name of the column of a report that has the row numbers."""
    return _free(_POSITION[0], columns)


def _free(name: str, columns: Sequence[str]) -> str:
    while name in columns:
        name = "_" + name
    return name


def guard(cell: str) -> str:
    """The cell, with a leading apostrophe if a spreadsheet would run it as a formula; plain numbers such as
    -5 stay as they are. A cell that looks guarded gets another apostrophe, so that `unguard` is exact."""
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
    """Whether a table with these labels is a JSON Lines report of a file with those columns."""
    return row_column(columns) not in labels and JSON_ROW in labels and JSON_CELLS in labels


def repair_problem(labels: Sequence[str], columns: Sequence[str]) -> tuple[str, str] | None:
    """Why a table with these labels is not a repair file for those columns: reason and sentence; None when it
    is one. Columns named "" are left out of the file and not needed."""
    if is_json_report(labels, columns):
        return None
    wanted = [row_column(columns), *(column for column in columns if column)]
    missing = [column for column in wanted if column not in labels]
    if missing:
        listed = ", ".join(f'"{column}"' for column in missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        return (
            "NOT_A_REPORT",
            f"The file is not a report of the repaired process: it lacks {listed}{more}.",
        )
    twice = [column for column in wanted if labels.count(column) > 1]
    if twice:
        return "NOT_A_REPORT", f'The file has the column "{twice[0]}" more than once; remove the others.'
    return None
