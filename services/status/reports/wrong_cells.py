"""Which cells of a report are wrong, and why.

Errors name fields of the pipeline, whose labels in the file status does not know. So a field is found by the
label that is its name, or that becomes its name; else by its value, if one cell alone has it. An error of
which the cell is not found is noted at _message, one of a record that could not be split at its text, _value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ingestor.outcomes import RowError
from ingestor.services.status.processes import RowState
from ingestor.services.status.rows import Row

NONE_WRONG: Mapping[int, str] = {}


def wrong_cells(row: Row, columns: Sequence[str], headings: Sequence[str]) -> Mapping[int, str]:
    """For each cell to mark, by its column from 0, the reasons. `columns` are the labels of the file, and
    `headings` those of the report, which end with _code, _field, _value, _message."""
    if row.state is not RowState.FAILED:
        return NONE_WRONG
    is_split = len(row.cells) == len(columns)
    found: dict[int, str] = {}
    for error in row.errors:
        places = _places(error, row.cells, columns) if is_split else []
        last = len(headings) - 1
        for place in places or [last if is_split or not error.value else last - 1]:
            found[place] = f"{found[place]}\n{error.message}" if place in found else error.message
    return found


def _places(error: RowError, cells: Sequence[str], columns: Sequence[str]) -> Sequence[int]:
    if not error.field:
        return []
    if found := by_name(error.field, tuple(columns)):
        return found
    same = [place for place, cell in enumerate(cells) if cell == error.value]
    return same if len(same) == 1 else []


# A process has few fields with errors, and many rows.
@lru_cache(maxsize=1024)
def by_name(field: str, columns: tuple[str, ...]) -> Sequence[int]:
    """The columns whose labels are the field's name or become it, or those of several fields (`a, b`)."""
    return _by_names([field], columns) or _by_names(field.split(", "), columns)


def _by_names(fields: Sequence[str], columns: Sequence[str]) -> list[int]:
    names = [_name(label) for label in columns]
    found = []
    for field in fields:
        if field in columns:
            found.append(columns.index(field))
        elif names.count(_name(field)) == 1:
            found.append(names.index(_name(field)))
    return found


def _name(label: str) -> str:
    return re.sub(r"[\W_]+", "_", label.casefold()).strip("_")
