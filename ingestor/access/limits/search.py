"""Looks through long lists in pieces, so that no statement and no call goes through all of one."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ingestor.access.limits.reads import ReadTooLongError

T = TypeVar("T")
LEAST = 20_000  # positions of the first piece
_FAST, _SLOW = 0.1, 0.5  # seconds; pieces grow and shrink with what the last one took
_FACTOR = 4


async def search(
    read: Callable[[int, int, int], Awaitable[list[T]]],
    whole: int,
    limit: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[list[T], int | None]:
    """At most `limit` items of a list that is `whole` positions long, found in about `seconds` seconds, and
    how many positions were looked through when the time was up; None when there was time enough.

    `read(start, end, limit)` returns the items among the positions after `start` and up to `end`. Raises
    ReadTooLongError when even the first piece takes too long.
    """
    found: list[T] = []
    start, piece, until = 0, LEAST, clock() + seconds
    while start < whole and len(found) < limit:
        end, began = min(whole, start + piece), clock()
        if began > until:
            return found, start
        try:
            found += await read(start, end, limit - len(found))
        except ReadTooLongError:
            if not start:
                raise
            return found, start
        start, took = end, clock() - began
        if took < _FAST:
            piece *= _FACTOR
        elif took > _SLOW:
            piece = max(LEAST, piece // _FACTOR)
    return found, None
