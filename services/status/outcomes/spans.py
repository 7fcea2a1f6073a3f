"""The rows of a batch as runs of neighbours of which the same holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ingestor.services.status.ledger import Batch
from ingestor.services.status.processes import RowState


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring rows in one state. `code` and `phase` are of their first error, "" and 0 without one.
    `repaired`: a repair has set the state."""

    first_row: int
    row_count: int
    state: RowState
    code: str = ""
    phase: int = 0
    repaired: bool = False

    @property
    def end(self) -> int:
        """The number after that of its last row."""
        return self.first_row + self.row_count


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """A batch of the ledger: its counts, and all of its rows. `spans` are None if nothing is known of single
    rows."""

    batch: Batch
    succeeded: int
    failed: int
    skipped: int
    spans: Sequence[Span] | None


class OutcomeReader(Protocol):
    """Reads what is of the tenant in scope. Raises TransientError."""

    async def after(self, process_id: str, number: int, *, ended: bool, rows: bool) -> BatchOutcome | None:
        """The next batch after a number; None after the last. Rows without an outcome are QUEUED or, if the
        process has `ended`, UNPROCESSED. Without `rows` no spans are read."""
        ...


def spans_of(default: Span, runs: Iterable[Span], own: Iterable[Span]) -> list[Span]:
    """All rows of a batch, each once, in order. A row is what its own record says, else its run, else
    `default`, which has all rows of the batch. Neighbours of which the same holds are one span."""
    found: list[Span] = []
    for span in _over(_over(iter([default]), runs), own):
        if found and found[-1].end == span.first_row and _same(found[-1], span):
            found[-1] = replace(found[-1], row_count=found[-1].row_count + span.row_count)
        else:
            found.append(span)
    return found


def _same(one: Span, other: Span) -> bool:
    return (one.state, one.code, one.phase, one.repaired) == (
        other.state, other.code, other.phase, other.repaired
    )  # fmt: skip


def _over(below: Iterator[Span], above: Iterable[Span]) -> Iterator[Span]:
    """The spans `above`, and where there are none those `below`; both in order."""
    current = next(below, None)
    for span in above:
        while current is not None and current.first_row < span.first_row:
            yield _cut(current, current.first_row, min(current.end, span.first_row))
            current = _rest(current, span.first_row, below)
        yield span
        while current is not None and current.first_row < span.end:
            current = _rest(current, span.end, below)
    while current is not None:
        yield current
        current = next(below, None)


def _rest(span: Span, start: int, below: Iterator[Span]) -> Span | None:
    return _cut(span, start, span.end) if span.end > start else next(below, None)


def _cut(span: Span, start: int, end: int) -> Span:
    return replace(span, first_row=start, row_count=end - start)
