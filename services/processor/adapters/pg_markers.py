"""The markers of applied batches in PostgreSQL."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from ingestor.runtime.postgres import transient_errors
from services.processor.batches import BatchKey, BatchOutcome
from services.processor.ports import Applied

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection, PgPool

# Waits for another transaction that applies the same batch; nothing is inserted when it is there.
_CLAIM = """
INSERT INTO applied_batches (process_id, batch_number, tenant, outcome) VALUES ($1, $2, $3, $4)
ON CONFLICT (process_id, batch_number) DO NOTHING RETURNING 1
"""
_KNOWN = "SELECT outcome FROM applied_batches WHERE process_id = $1 AND batch_number = $2"
_CONCLUDE = "UPDATE applied_batches SET outcome = $3 WHERE process_id = $1 AND batch_number = $2"


async def claim(connection: PgConnection, key: BatchKey) -> bool:
    """Set the marker of a batch that is about to be loaded, until the transaction ends for this one alone;
    False when it is there. Waits for another transaction that has claimed it."""
    return bool(await connection.fetchval(_CLAIM, key.process_id, key.range.number, key.tenant, None))


async def conclude(connection: PgConnection, outcome: BatchOutcome) -> None:
    """Put the outcome into a claimed marker."""
    key = outcome.key
    payload = await asyncio.to_thread(_pack, outcome)
    await connection.execute(_CONCLUDE, key.process_id, key.range.number, payload)


async def known(connection: PgConnection, key: BatchKey) -> Applied:
    """The outcome of a batch whose marker is there."""
    payload = await connection.fetchval(_KNOWN, key.process_id, key.range.number)
    return Applied(BatchOutcome.from_bytes(zlib.decompress(payload)) if payload else None)


class PgMarkers:
    """See Markers."""

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def settle(self, outcome: BatchOutcome) -> Applied:
        """See Markers."""
        key = outcome.key
        async with transient_errors("sink"), self._pool.acquire() as connection:
            claimed = await connection.fetchval(
                _CLAIM, key.process_id, key.range.number, key.tenant, _pack(outcome)
            )
            return Applied(outcome) if claimed else await known(connection, key)

    async def forget_outcome(self, key: BatchKey) -> None:
        """See Markers."""
        async with transient_errors("sink"):
            await self._pool.execute(_CONCLUDE, key.process_id, key.range.number, None)


def _pack(outcome: BatchOutcome) -> bytes:
    return zlib.compress(outcome.to_bytes(), 1)
