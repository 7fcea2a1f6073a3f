"""The outbox of events in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.status.adapters.pg_positions import give_positions
from ingestor.services.status.adapters.pg_reader import logged_event
from ingestor.services.status.ports import Outbox, Send

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

# One publisher at a time, to keep the order; the lock ends with the transaction.
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('ingestor:status:outbox', 0))"


class PgOutbox(Outbox):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def publish(self, send: Send, limit: int) -> int:
        async with transient_errors("outbox"):
            await give_positions(self._pool)
        async with transient_errors("outbox"), self._pool.transaction() as connection:
            if not await connection.fetchval(_LOCK):
                return 0
            rows = await connection.fetch(
                "SELECT * FROM events WHERE published_at IS NULL AND position IS NOT NULL "
                "ORDER BY position LIMIT $1",
                limit,
            )
            if rows:
                await send([logged_event(row) for row in rows])
                await connection.execute(
                    "UPDATE events SET published_at = clock_timestamp() WHERE sequence = ANY($1)",
                    [row["sequence"] for row in rows],
                )
            return len(rows)

    async def remove_published(self, before: datetime) -> int:
        async with transient_errors("outbox"):
            done = await self._pool.execute("DELETE FROM events WHERE published_at < $1", before)
        return int(done.rpartition(" ")[2])
