"""Rows as a reader of the ledger sees them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ingestor.outcomes import RejectedRow, RowError
from ingestor.runs import RejectedRun
from ingestor.services.status.ledger import Outcome
from ingestor.services.status.processes import RowState


def with_displaced(
    outcome: Outcome,
    rows: Sequence[RejectedRow],
    runs: Sequence[RejectedRun],
    displaced: Sequence[RejectedRow],
) -> tuple[Outcome, Sequence[RejectedRow]]:
    """Correct the outcome of a batch, and its rows that did not simply succeed and are in no run, when other
    batches displaced some of the rows that it counts as SUCCEEDED before it was reported."""
    own = {row.row_number for row in rows}

    def is_own(number: int) -> bool:
        at = bisect_right(runs, number, key=lambda run: run.first.row_number)
        return number in own or (at > 0 and number <= runs[at - 1].last_row)

    new = [row for row in displaced if not is_own(row.row_number)]
    if outcome.default_state is not RowState.SUCCEEDED or not new:
        return outcome, rows
    counted = replace(outcome, succeeded=outcome.succeeded - len(new), failed=outcome.failed + len(new))
    return counted, sorted([*rows, *new], key=lambda row: row.row_number)


@dataclass(frozen=True, slots=True)
class RepairedRows:
    """The repaired process of a batch, and for each row of the batch its number there, 0 where it has none.
    `rows` is empty when the batch could not be read."""

    process_id: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row in the ledger. `line_number` is 0 when only its batch is known, `repairs_row`, its number in the
    repaired process, is 0 when unknown. `repaired_by` is the last process that repaired it, if any."""

    row_number: int
    line_number: int
    batch_number: int
    state: RowState
    errors: tuple[RowError, ...]
    cells: tuple[str, ...]
    repairs_row: int = 0
    repaired_by: str = ""


@dataclass(frozen=True, slots=True)
class RowVersion:
    """A failed row as it was before a repair."""

    repair_process_id: str
    errors: tuple[RowError, ...]
    cells: tuple[str, ...]
    replaced: datetime


@dataclass(frozen=True, slots=True)
class RowRange:
    """The rows of a batch that have no own records: all are in one state, with `error` if that is FAILED."""

    first_row: int
    last_row: int
    batch_number: int
    state: RowState
    error: RowError | None


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Errors of one code and field."""

    code: str
    field: str
    count: int
    example_message: str
    first_row: int
