"""The markers of applied batches in PostgreSQL."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from ingestor.runtime.postgres import transient_errors
from ingestor.services.processor.adapters.postgres.closed import is_gone
from ingestor.services.processor.batches import BatchKey, BatchOutcome, unprocessed_outcome
from ingestor.services.processor.ports import Applied, Markers

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection, PgPool

# Waits for another transaction that applies the same batch; nothing is inserted when it is there.
_CLAIM = """
INSERT INTO applied_batches (process_id, batch_number, tenant, outcome) VALUES ($1, $2, $3, $4)
ON CONFLICT (process_id, batch_number) DO NOTHING RETURNING 1
"""
_KNOWN = "SELECT outcome FROM applied_batches WHERE process_id = $1 AND batch_number = $2"
_CONCLUDE = "UPDATE applied_batches SET outcome = $3 WHERE process_id = $1 AND batch_number = $2"


async def begin(connection: PgConnection, key: BatchKey, owner: str | None = None) -> Applied | None:
    """Set the marker of a batch that is about to be loaded, until the transaction ends for this one alone;
    then None. What is to be answered instead when the marker is there, or its process was undone or
    removed. Waits for another transaction that has set it, and for one that undoes or removes. `owner` is
    the process in whose name the rows are loaded, when it is another one (a repair's)."""
    for process_id in {key.process_id: None, owner or key.process_id: None}:
        gone = await is_gone(connection, process_id)
        if gone is not None:
            return Applied(None) if gone else await _settle(connection, unprocessed_outcome(key))
    if await connection.fetchval(_CLAIM, key.process_id, key.range.number, key.tenant, None):
        return None
    return await _known(connection, key)


async def _settle(connection: PgConnection, outcome: BatchOutcome) -> Applied:
    key = outcome.key
    claimed = await connection.fetchval(_CLAIM, key.process_id, key.range.number, key.tenant, _pack(outcome))
    return Applied(outcome) if claimed else await _known(connection, key)


async def conclude(connection: PgConnection, outcome: BatchOutcome) -> None:
    """Put the outcome into a claimed marker."""
    key = outcome.key
    payload = await asyncio.to_thread(_pack, outcome)
    await connection.execute(_CONCLUDE, key.process_id, key.range.number, payload)


async def _known(connection: PgConnection, key: BatchKey) -> Applied:
    """The outcome of a batch whose marker is there."""
    payload = await connection.fetchval(_KNOWN, key.process_id, key.range.number)
    return Applied(BatchOutcome.from_bytes(zlib.decompress(payload)) if payload else None)


class PgMarkers(Markers):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def settle(self, outcome: BatchOutcome) -> Applied:
        async with transient_errors("sink"), self._pool.acquire() as connection, connection.transaction():
            if await is_gone(connection, outcome.key.process_id):
                return Applied(None)
            return await _settle(connection, outcome)

    async def forget_outcome(self, key: BatchKey) -> None:
        async with transient_errors("sink"):
            await self._pool.execute(_CONCLUDE, key.process_id, key.range.number, None)


def _pack(outcome: BatchOutcome) -> bytes:
    return zlib.compress(outcome.to_bytes(), 1)
