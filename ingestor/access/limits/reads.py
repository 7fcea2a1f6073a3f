"""What reads of callers may take of the database: connections of their own, and so much time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from ingestor.access.scope import current, row_security
from ingestor.runtime.errors import ResourceExhaustedError, UnavailableError
from ingestor.runtime.fair_slots import FairSlots

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool


class ReadTooLongError(ResourceExhaustedError):
    """A statement took longer than a read may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "READ_TOO_LONG",
            f"Reading took more than {seconds:g} seconds; ask for less: fewer rows, or a shorter time.",
        )


class Reads:
    """Connections on which only callers' reads run: the slowest of them keep nobody waiting who writes, or
    who asks for something by its identifier. A free one goes to the tenant that has the fewest."""

    def __init__(self, pool: PgPool, connections: int, seconds: float) -> None:
        """`pool` has so many connections, and bounds statements by `ending`. A tenant has half of them."""
        self._pool = pool
        self._places = FairSlots(connections, reserved=max(1, connections // 2))
        self.seconds = seconds

    @asynccontextmanager
    async def place(self) -> AsyncIterator[PgPool]:
        """A connection's worth of the pool while the context lasts. Raises UnavailableError (TOO_MANY_READS),
        ReadTooLongError."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self.seconds / 2):
                    await stack.enter_async_context(self._places.place(current()))
            except TimeoutError:
                raise UnavailableError(
                    "TOO_MANY_READS",
                    "Too much is being searched at the moment; try again shortly.",
                    retry_seconds=self.seconds,
                ) from None
            try:
                yield self._pool
            except asyncpg.QueryCanceledError as error:
                raise ReadTooLongError(self.seconds) from error


def reads_of(size: int) -> int:
    """How many of so many connections are for reads: two fifths, at least one."""
    return max(1, size * 2 // 5)


def ending(seconds: float) -> Callable[[], str]:
    """What transactions begin with (see PgPool) whose statements end after so many seconds, and take one
    processor each."""
    bounds = (
        f"SET LOCAL statement_timeout = {round(seconds * 1000)}; "
        "SET LOCAL max_parallel_workers_per_gather = 0"
    )
    return lambda: f"{row_security()}; {bounds}"
