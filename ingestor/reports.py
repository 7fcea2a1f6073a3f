"""The layout of reports, shared by the service that writes them and the one that reads repair files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

_POSITION = ("_row", "_line")
_STATE = "_state"
_REASONS = ("_code", "_field", "_value", "_message")

# Ends a shortened cell, so that a repair does not take it for the whole cell.
CUT = "…[cut]"

# The column with row numbers in a converted repair file (see ingestor.repair_file).
NUMBER_LABEL = "_row"

# Code of a skipped row of a repair: the row that it repairs has not failed, or is no longer failed.
NOT_FAILED = "not-failed"

# The members of the objects in a JSON Lines report that a repair reads.
JSON_ROW = "row"
JSON_CELLS = "cells"

# A spreadsheet runs a cell that begins with one of these as a formula; with those of full width some do
# (OWASP, "CSV Injection").
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_FIRST = frozenset({"'", *_TRIGGERS})
_ANY_FIRST = re.escape("".join(sorted(_FIRST)))
GUARDED = rf"^'+[{re.escape(''.join(_TRIGGERS))}]"
"""A cell from which `unguard` takes an apostrophe (RE2 and Python)."""
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class OriginalTable:
    """The table of the repaired process: the labels of its columns ("" for one that is not read), its number
    of rows, and whether an empty cell of a report stands for null. `delimiter` and `quote` are those of its
    records, empty if these are no such text."""

    columns: tuple[str, ...]
    row_count: int
    empty_is_null: bool
    delimiter: str = ""
    quote: str = ""

    def to_json(self) -> str:
        """As JSON, for `from_json`."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> OriginalTable:
        """From the text of `to_json`."""
        found = json.loads(text)
        return OriginalTable(
            tuple(found["columns"]),
            found["row_count"],
            found["empty_is_null"],
            found.get("delimiter", ""),  # of an older release: without
            found.get("quote", ""),
        )


def headings(columns: Sequence[str], *, with_state: bool) -> list[str]:
    """The columns of a CSV or XLSX report: those of the file, then those of the report. A report column whose
    name the file uses gets another leading underscore."""
    names = [*_POSITION, *([_STATE] if with_state else []), *_REASONS]
    return [*columns, *(_free(name, columns) for name in names)]


def row_column(columns: Sequence[str]) -> str:
    """The name of the column that holds the row numbers in a report of a file with these columns."""
    return _free(_POSITION[0], columns)


def reason_column(name: str, columns: Sequence[str]) -> str:
    """The name of `_code`, `_field`, `_value` or `_message` in a report of a file with these columns."""
    return _free(name, columns)


def _free(name: str, columns: Sequence[str]) -> str:
    while name in columns:
        name = "_" + name
    return name


def guard(cell: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would run as a formula, but not before a plain
    number such as -5. A cell that already looks guarded gets another apostrophe, so that `unguard` is
    exact."""
    if cell[:1] not in _FIRST:
        return cell
    bare = cell.lstrip("'")
    if bare.startswith(_TRIGGERS) and not (bare == cell and _NUMBER.fullmatch(cell)):
        return "'" + cell
    return cell


def may_need_guard(cells: str, separator: str) -> bool:
    """Whether `guard` may change one of many cells, which have separators between them."""
    if cells[:1] in _FIRST:
        return True
    if not any(sign in cells for sign in _FIRST):
        return False
    return re.search(f"{re.escape(separator)}[{_ANY_FIRST}]", cells) is not None


def unguard(cell: str) -> str:
    """Undo `guard`."""
    if cell.startswith("'") and cell.lstrip("'").startswith(_TRIGGERS):
        return cell[1:]
    return cell


def is_json_report(labels: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether a table with these labels is a JSON Lines report of a file with those columns."""
    return row_column(columns) not in labels and JSON_ROW in labels and JSON_CELLS in labels


def repair_problem(labels: Sequence[str], columns: Sequence[str]) -> tuple[str, str] | None:
    """Reason and message when a table with these labels is not a repair file for a file with those columns,
    else None. Columns named "" are not needed."""
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
