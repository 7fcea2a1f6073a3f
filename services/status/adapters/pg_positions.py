"""Gives events their positions in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool

# One transaction at a time, so that positions become visible in their order.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:status:positions', 0))"

_NUMBER = """
UPDATE events SET position = numbered.position
FROM (SELECT sequence, nextval('event_positions') AS position
      FROM (SELECT sequence FROM events WHERE position IS NULL ORDER BY sequence) waiting) numbered
WHERE events.sequence = numbered.sequence
"""


async def give_positions(pool: PgPool) -> None:
    """Give every event that is visible a position behind all that were given; those of one process in the
    order in which they happened.

    An event that is written by a transaction that has not ended is not visible: it gets its position at a
    later call, a higher one than those that were read meanwhile. So no reader ever misses one.
    """
    async with pool.acquire() as connection:
        if not await connection.fetchval("SELECT EXISTS (SELECT 1 FROM events WHERE position IS NULL)"):
            return
        async with connection.transaction():
            await connection.execute(_LOCK)
            await connection.execute(_NUMBER)


async def last_position(pool: PgPool) -> int:
    """The last position that was given, after every visible event has one; 0 for none. Its event may have
    been removed since."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_LOCK)
        await connection.execute(_NUMBER)
        # Under the lock nobody is giving any, so all that were given are visible.
        return int(
            await connection.fetchval("SELECT last_value - (NOT is_called)::integer FROM event_positions")
        )
