"""Dry runs of the first records of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RowState = Literal["succeeded", "failed", "skipped"]
Phase = Literal["parse", "validate", "load"]


@dataclass(frozen=True, slots=True)
class CheckError:
    """One error; `label` is that of its column, "" if it has none."""

    code: str
    field: str
    value: str
    message: str
    phase: Phase
    label: str


@dataclass(frozen=True, slots=True)
class ExcerptRow:
    """A record of a file; its `cells`, shortened, or None when it could not be split."""

    row_number: int
    line_number: int
    cells: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The first records of a file, for display and, in normal form, for the processor.

    Unless `columns_known`, later records may have more columns.
    """

    columns: tuple[str, ...]
    rows: tuple[ExcerptRow, ...]
    complete: bool
    columns_known: bool
    dialect: str  # JSON: declared and detected
    content: bytes


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row that would fail or be skipped, with all its errors."""

    row_number: int
    state: RowState
    errors: tuple[CheckError, ...]


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """The first rows that would fail or be skipped; `complete` when these are all of them."""

    rows: tuple[RowResult, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A record and its result."""

    row: ExcerptRow
    state: RowState
    errors: tuple[CheckError, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """The records that were run, in order; `complete` when these are all records of the file."""

    columns: tuple[str, ...]
    rows: tuple[CheckedRow, ...]
    complete: bool
    dialect: str

    def count(self, state: RowState) -> int:
        """Number of rows in a state."""
        return Counter(row.state for row in self.rows)[state]


def checked(excerpt: Excerpt, result: DryRunResult) -> Check:
    """The excerpt with its results; when these are incomplete, only the rows up to the last one they name."""
    results = {row.row_number: row for row in result.rows}
    known: Sequence[ExcerptRow] = excerpt.rows
    if not result.complete:
        last = max(results, default=0)
        known = [row for row in known if row.row_number <= last]
    rows = []
    for row in known:
        found = results.get(row.row_number)
        rows.append(CheckedRow(row, found.state, found.errors) if found else CheckedRow(row, "succeeded", ()))
    return Check(excerpt.columns, tuple(rows), excerpt.complete and result.complete, excerpt.dialect)
