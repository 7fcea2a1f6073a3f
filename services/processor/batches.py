"""Batches of rows and their outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ingestor.outcomes import DisplacedRow, Notice, RejectedRow, RowError


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
    """Identifies the batch of a message, even if its body cannot be read."""

    process_id: str
    tenant: str
    range: BatchRange


@dataclass(frozen=True, slots=True)
class StoredSlice:
    """Bytes of the file store."""

    file_key: str
    byte_start: int
    byte_end: int


@dataclass(frozen=True, slots=True)
class RepairedRows:
    """Failed rows of a repaired process, whose file has these columns. With `numbers` (their row numbers
    there) the batch's bytes are records of that file from row `first_row` on. Without, they are a repair
    file, whose first column has the row numbers."""

    process_id: str
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    first_row: int


@dataclass(frozen=True, slots=True)
class RowBatch:
    """A batch from the queue: the bytes of its records, or where they are stored."""

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
    drop_empty_cells: bool = False  # beyond the last column, where all of them are empty
    quoted_is_text: bool = False  # a missing value in quotes is text
    typed_cells: bool = False  # see ingestor.checking.typed_cells


DefaultState = Literal["succeeded", "failed", "unprocessed"]


@dataclass(frozen=True, slots=True)
class Repaired:
    """The repaired process of a batch, and for each row of the batch its row number there, 0 if it names
    none."""

    process_id: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of a batch; counts are rows. `rows` are in order. Every failed row that is not among them
    has the error `error`. `displaced` are rows of other batches of the process. `notices` are about rows of
    the batch, by their numbers in the file. `lines` is where the rows begin that may be displaced later: for
    positions in the batch, ascending, by how many lines the rows from there on are later than if each row
    were one line; None if no row can be displaced."""

    key: BatchKey
    default_state: DefaultState
    succeeded: int
    failed: int
    skipped: int
    rows: tuple[RejectedRow, ...]
    error: RowError | None = None
    repaired: Repaired | None = None
    displaced: tuple[DisplacedRow, ...] = ()
    notices: tuple[Notice, ...] = ()
    lines: tuple[tuple[int, int], ...] | None = None

    def to_bytes(self) -> bytes:
        """As bytes, for the marker."""
        return json.dumps(self, ensure_ascii=False, separators=(",", ":"), default=_values).encode()

    @staticmethod
    def from_bytes(data: bytes) -> BatchOutcome:
        """From the result of `to_bytes`."""
        # Older markers end with the error, or have three values for a displaced row, the first its process.
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
            tuple(DisplacedRow(row, RowError(*found)) for *_, row, found in displaced),
            tuple(
                Notice(code, text, count, tuple(numbers))
                for code, text, count, numbers in (more[2] if len(more) > 2 else ())
            ),
            _lines(more[3] if len(more) > 3 else None),
        )


def _values(made: Any) -> list[Any]:
    """The values of a dataclass, in order (`astuple` takes far longer, since it copies them deeply)."""
    return [getattr(made, name) for name in made.__slots__]


def _lines(found: Iterable[Any] | None) -> tuple[tuple[int, int], ...] | None:
    return None if found is None else tuple((position, lines) for position, lines in found)


def _rejected(rows: Iterable[Any]) -> tuple[RejectedRow, ...]:
    return tuple(
        RejectedRow(row, line, state, tuple(RowError(*error) for error in errors), tuple(cells))
        for row, line, state, errors, cells in rows
    )


def outcome_of(
    key: BatchKey,
    rejected: Iterable[RejectedRow],
    repaired: Repaired | None = None,
    notices: Iterable[Notice] = (),
    lines: tuple[tuple[int, int], ...] | None = None,
) -> BatchOutcome:
    """The outcome of a batch whose rows were loaded, except those that were rejected or that the sink
    refused, with the reader's notices and the lines of its rows."""
    rows = sorted(rejected, key=lambda row: row.row_number)
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
        notices=tuple(notices),
        lines=lines,
    )


def failed_outcome(key: BatchKey, error: RowError) -> BatchOutcome:
    """The outcome of a batch of which no row could be loaded, for one reason."""
    return BatchOutcome(key, "failed", 0, key.range.row_count, 0, (), error)


def unprocessed_outcome(key: BatchKey) -> BatchOutcome:
    """The outcome of a batch that is not loaded because its process was stopped."""
    return BatchOutcome(key, "unprocessed", 0, 0, 0, ())
