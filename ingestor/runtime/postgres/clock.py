"""The clock of a PostgreSQL server."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingestor.runtime.clock import SystemClock
from ingestor.runtime.postgres.errors import transient_errors

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

_MOST_SECONDS = 1.0  # of an answer that is worth more than the one before


class PgClock:
    """By which all who use the database agree on the times in it, such as the end of a lease. From one look
    at the server to the next it goes on with this machine's monotonic clock, so it does not matter if the
    other clock of this machine is wrong, or is set."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._began: float | None = None  # the server's time when the monotonic clock was 0

    def now(self) -> datetime:
        """The time now, aware, in UTC; before the first look that of this machine."""
        if self._began is None:
            return self._system.now()
        return datetime.fromtimestamp(self._began + time.monotonic(), UTC)

    async def look(self, connection: PgConnection) -> None:
        """Ask the server for its time."""
        before = time.monotonic()
        there: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        after = time.monotonic()
        if self._began is None or after - before < _MOST_SECONDS:
            self._began = there - (before + after) / 2  # the answer was given at some moment in between

    @property
    def behind_seconds(self) -> float:
        """How far the clock of this machine is ahead of it."""
        return (self._system.now() - self.now()).total_seconds()


async def open_clock(pool: PgPool) -> PgClock:
    """The clock of the server of a pool. Raises TransientError."""
    clock = PgClock()
    async with transient_errors("database"), pool.acquire() as connection:
        await clock.look(connection)
    return clock


async def clock_skew(connection: PgConnection) -> float:
    """How many seconds this machine's clock is ahead of the server's."""
    clock = PgClock()
    await clock.look(connection)
    return clock.behind_seconds
