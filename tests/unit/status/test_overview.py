"""The interval of an overview and its pieces."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingestor.services.status.overview import IntervalError, Piece, all_pieces, interval
from ingestor.services.status.processes import ProcessState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_by_default_a_day_in_sixty_pieces() -> None:
    made = interval(None, None, 0, NOW)
    assert (made.start, made.end, made.seconds, made.pieces) == (NOW - 24 * HOUR, NOW, 1440, 60)


@pytest.mark.parametrize(
    ("length", "seconds", "expected"),
    [
        (timedelta(seconds=10), 0, (1, 10)),
        (timedelta(seconds=61), 0, (2, 31)),
        (HOUR, 7, (7, 515)),
        (timedelta(milliseconds=5), 0, (1, 1)),
        (1000 * HOUR, 3600, (3600, 1000)),
    ],
)
def test_the_last_piece_may_be_shorter(length: timedelta, seconds: int, expected: tuple[int, int]) -> None:
    made = interval(NOW - length, NOW, seconds, NOW)
    assert (made.seconds, made.pieces) == expected


@pytest.mark.parametrize(
    ("start", "end", "seconds", "field"),
    [
        (NOW, NOW, 0, "start_time"),
        (NOW + HOUR, None, 0, "start_time"),
        (None, None, -1, "bucket_seconds"),
        (NOW - timedelta(days=3661), NOW, 0, "start_time"),
        (NOW - 1001 * HOUR, NOW, 3600, "bucket_seconds"),
    ],
)
def test_what_cannot_be_shown(start: datetime | None, end: datetime | None, seconds: int, field: str) -> None:
    with pytest.raises(IntervalError) as caught:
        interval(start, end, seconds, NOW)
    assert caught.value.field == field


def test_pieces_have_no_gaps() -> None:
    made = all_pieces(
        interval(NOW - HOUR, NOW, 1200, NOW),
        {1: (5, 2, 1)},
        {0: 3},
        {2: {ProcessState.FAILED: 1, ProcessState.CANCELLED: 2}},
    )
    assert made[:2] == [Piece(NOW - HOUR, begun=3), Piece(NOW - HOUR + timedelta(minutes=20), 5, 2, 1)]
    assert made[2].ended_as(ProcessState.FAILED, ProcessState.CANCELLED) == 3
    assert len(made) == 3
