"""Batches of rows and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ingestor.outcomes import RejectedRow, RowError


@dataclass(frozen=True, slots=True)
class BatchRange:
    """Boundaries of a batch; rows, lines and batches are numbered from 1, offsets are bytes."""

    number: int
    first_row: int
    row_count: int
    first_line: int
    byte_start: int
    byte_end: int


@dataclass(frozen=True, slots=True)
class BatchKey:
    """What a message stands for, even when its body cannot be read."""

    process_id: str
    tenant: str
    range: BatchRange


@dataclass(frozen=True, slots=True)
class StoredSlice:
    """Bytes that stayed in the file store."""

    file_key: str
    byte_start: int
    byte_end: int


@dataclass(frozen=True, slots=True)
class RepairedRows:
    """Failed rows of a repaired process, which has these columns. With `numbers`, their row numbers there,
    the bytes are records of its file from row `first_row` on; else they are a repair file, whose first column
    has the numbers."""

    process_id: str
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    first_row: int


@dataclass(frozen=True, slots=True)
class RowBatch:
    """A batch as it comes from the queue: the file's own bytes, or where they are."""

    key: BatchKey
    columns: tuple[str, ...]
    pipeline: str  # empty: load as JSON rows
    pipeline_version: int
    delimiter: str
    data: bytes
    stored: StoredSlice | None
    quote: str = '"'
    normal_form: bool = False  # see ingestor.tabular.normal_form
    repairs: RepairedRows | None = None


DefaultState = Literal["succeeded", "failed", "unprocessed"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is no plain success, numbered in its file."""

    row_number: int
    line_number: int
    state: Literal["failed", "skipped"]
    errors: tuple[RowError, ...]
    cells: tuple[str, ...]  # empty when the record could not be split


@dataclass(frozen=True, slots=True)
class Displaced:
    """A row of the batch's process that had been loaded with another batch and has FAILED now."""

    row_number: int
    problem: RowError


@dataclass(frozen=True, slots=True)
class Repaired:
    """The process that a batch repairs, and the row number there of each of the batch's rows, in order; 0
    where a row gives none."""

    process_id: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of a batch; counts are rows. `error` holds for every failed row that is not in
    `rows`. `displaced` are rows of other batches of the process, which had been loaded and have FAILED now,
    since rows of this batch come before them and have their keys."""

    key: BatchKey
    default_state: DefaultState
    succeeded: int
    failed: int
    skipped: int
    rows: tuple[Rejected, ...]
    error: RowError | None = None
    repaired: Repaired | None = None
    displaced: tuple[Displaced, ...] = ()

    def to_bytes(self) -> bytes:
        """For the marker; `from_bytes` undoes it."""
        return json.dumps(self, ensure_ascii=False, separators=(",", ":"), default=_values).encode()

    @staticmethod
    def from_bytes(data: bytes) -> BatchOutcome:
        """Undo `to_bytes`."""
        # Older markers have no more than these, and the process of each displaced row.
        key, state, succeeded, failed, skipped, rows, error, *more = json.loads(data)
        process_id, tenant, bounds = key
        repaired = more[0] if more else None
        displaced = more[1] if len(more) > 1 else ()
        return BatchOutcome(
            BatchKey(process_id, tenant, BatchRange(*bounds)),
            state,
            succeeded,
            failed,
            skipped,
            _rejected(rows),
            RowError(*error) if error else None,
            Repaired(repaired[0], tuple(repaired[1])) if repaired else None,
            tuple(Displaced(row, RowError(*problem)) for *_, row, problem in displaced),
        )


def _values(made: Any) -> list[Any]:
    """The values of a dataclass, in order. (`astuple` copies whatever is in them, which takes far longer.)"""
    return [getattr(made, name) for name in made.__slots__]


def _rejected(rows: Iterable[Any]) -> tuple[Rejected, ...]:
    return tuple(
        Rejected(row, line, state, tuple(RowError(*error) for error in errors), tuple(cells))
        for row, line, state, errors, cells in rows
    )


def outcome_of(
    key: BatchKey, problems: list[RejectedRow], refused: list[Rejected], repaired: Repaired | None = None
) -> BatchOutcome:
    """The outcome of a batch that was loaded: what was rejected before and what the sink refused."""
    first, line = key.range.first_row, key.range.first_line
    rows = [
        Rejected(first + p.index, line + p.line_index, p.state, p.errors, p.cells or ()) for p in problems
    ]
    rows = sorted(rows + refused, key=lambda row: row.row_number)
    skipped = sum(row.state == "skipped" for row in rows)
    failed = len(rows) - skipped
    return BatchOutcome(
        key,
        "succeeded",
        key.range.row_count - failed - skipped,
        failed,
        skipped,
        tuple(rows),
        repaired=repaired,
    )


def failed_outcome(key: BatchKey, error: RowError) -> BatchOutcome:
    """The outcome of a batch none of whose rows could be loaded, for one reason."""
    return BatchOutcome(key, "failed", 0, key.range.row_count, 0, (), error)


def unprocessed_outcome(key: BatchKey) -> BatchOutcome:
    """The outcome of a batch that was not tried."""
    return BatchOutcome(key, "unprocessed", 0, 0, 0, ())
