"""Gives events their positions in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

# One transaction at a time, so that positions become visible in order.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:status:positions', 0))"

_NUMBER = """
UPDATE events SET position = numbered.position
FROM (SELECT sequence, nextval('event_positions') AS position
      FROM (SELECT sequence FROM events WHERE position IS NULL ORDER BY sequence) waiting) numbered
WHERE events.sequence = numbered.sequence
"""


async def give_positions(pool: PgPool) -> None:
    """Give every visible event a position after all earlier positions; events of one process keep their
    order. Within a tenant only its own events are visible: those of others get theirs later.

    An event of a transaction that has not ended is not visible. It gets its position in a later call, higher
    than any that a reader has seen by then, so no reader misses it.
    """
    async with pool.transaction() as connection:
        if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM events WHERE position IS NULL)"):
            await connection.execute(_LOCK)
            await connection.execute(_NUMBER)


async def last_position(pool: PgPool) -> int:
    """Give positions, and return the last one; 0 before the first. Its event may have been removed."""
    async with pool.transaction() as connection:
        await connection.execute(_LOCK)
        await connection.execute(_NUMBER)
        # The lock excludes other writers, so all positions are visible.
        return int(
            await connection.fetchval("SELECT last_value - (NOT is_called)::integer FROM event_positions")
        )
