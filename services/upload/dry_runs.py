"""Dry runs of the first records of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ingestor.notices import merged
from ingestor.outcomes import Notice, RejectedRow, RowError
from ingestor.readings import FieldReading

RowState = Literal["succeeded", "failed", "skipped"]


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
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row that would fail or be skipped; `labels` are those of the columns of its errors, "" for none."""

    row: RejectedRow
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableNow:
    """The table that rows would go into, as it is."""

    name: str
    exists: bool
    row_count: int
    estimated: bool


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """The first rows that fail or are skipped; `complete` if there are no others."""

    rows: tuple[RowResult, ...]
    complete: bool
    notices: tuple[Notice, ...] = ()
    readings: tuple[FieldReading, ...] = ()
    table: TableNow | None = None


@dataclass(frozen=True, slots=True)
class DryRunRow:
    """A record, and what became of it; `labels` as in RowResult."""

    record: ExcerptRow
    state: RowState
    errors: tuple[RowError, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DryRun:
    """The records that were run, in order; `complete` if the file has no others."""

    columns: tuple[str, ...]
    rows: tuple[DryRunRow, ...]
    complete: bool
    dialect: str
    notices: tuple[Notice, ...] = ()
    readings: tuple[FieldReading, ...] = ()
    table: TableNow | None = None

    def count(self, state: RowState) -> int:
        """Number of rows in a state."""
        return Counter(row.state for row in self.rows)[state]


def dry_run_of(excerpt: Excerpt, result: DryRunResult) -> DryRun:
    """The excerpt with its results. If the result is incomplete, only rows up to its last one are known."""
    results = {found.row.row_number: found for found in result.rows}
    known: Sequence[ExcerptRow] = excerpt.rows
    if not result.complete:
        last = max(results, default=0)
        known = [row for row in known if row.row_number <= last]
    rows = []
    for row in known:
        found = results.get(row.row_number)
        if found:
            rows.append(DryRunRow(row, found.row.state, found.row.errors, found.labels))
        else:
            rows.append(DryRunRow(row, "succeeded"))
    return DryRun(
        excerpt.columns,
        tuple(rows),
        excerpt.complete and result.complete,
        excerpt.dialect,
        merged(excerpt.notices, result.notices),
        result.readings,
        result.table,
    )
