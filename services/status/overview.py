"""What happened in an interval, by pieces of equal length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ingestor.services.status.processes import ProcessState

_PIECES = 60
MOST_PIECES = 1000
DEFAULT_INTERVAL = timedelta(hours=24)
MAX_INTERVAL = timedelta(days=3660)


class IntervalError(ValueError):
    """An interval is invalid: which field, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Interval:
    """[start, end), cut into pieces of `seconds` seconds from `start` on; the last may be shorter."""

    start: datetime
    end: datetime
    seconds: int

    @property
    def pieces(self) -> int:
        """Number of the pieces."""
        return -(-(self.end - self.start) // timedelta(seconds=self.seconds))


def interval(start: datetime | None, end: datetime | None, seconds: int, now: datetime) -> Interval:
    """The requested interval; by default the last 24 hours in 60 pieces. Raises IntervalError."""
    end = end or now
    start = start or end - DEFAULT_INTERVAL
    if start >= end:
        raise IntervalError("start_time", "must be before end_time")
    if end - start > MAX_INTERVAL:
        raise IntervalError("start_time", f"must be at most {MAX_INTERVAL.days} days before end_time")
    if seconds < 0:
        raise IntervalError("bucket_seconds", "must not be negative")
    requested = Interval(start, end, seconds or max(1, -(-(end - start) // timedelta(seconds=_PIECES))))
    if requested.pieces > MOST_PIECES:
        raise IntervalError(
            "bucket_seconds", f"must not cut the interval into more than {MOST_PIECES} buckets"
        )
    return requested


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows whose outcome was recorded in a piece of time, and processes that began or ended in it."""

    start: datetime
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    begun: int = 0
    ended: Mapping[ProcessState, int] | None = None

    def ended_as(self, *states: ProcessState) -> int:
        """Processes that ended in one of the states."""
        return sum((self.ended or {}).get(state, 0) for state in states)


@dataclass(frozen=True, slots=True)
class Overview:
    """`states` counts the processes that began in the interval or have not ended."""

    states: Mapping[ProcessState, int]
    pieces: Sequence[Piece]


def all_pieces(
    of: Interval,
    rows: Mapping[int, tuple[int, int, int]],
    begun: Mapping[int, int],
    ended: Mapping[int, Mapping[ProcessState, int]],
) -> list[Piece]:
    """All pieces in order. The maps are by the number of a piece (from 0): rows (succeeded, failed, skipped),
    processes that began, processes that ended."""
    pieces = []
    for number in range(of.pieces):
        piece = Piece(of.start + number * timedelta(seconds=of.seconds))
        if number in rows:
            succeeded, failed, skipped = rows[number]
            piece = replace(piece, succeeded=succeeded, failed=failed, skipped=skipped)
        pieces.append(replace(piece, begun=begun.get(number, 0), ended=ended.get(number)))
    return pieces
