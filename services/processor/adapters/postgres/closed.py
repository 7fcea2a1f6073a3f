"""Processes whose batches have no effect any more: undone ones and removed ones.

A batch takes a process's lock shared and then looks; who closes the process takes it alone. So a batch
either is in the sink, whole and with its marker, before the process is closed, or finds it closed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from ingestor.runtime.postgres import transient_errors
from ingestor.services.processor.ports import Leavings, Loaded, UndoCounts, UndoImpossibleError

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection, PgPool

# The locks go with the transaction.
_LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('ingestor:process:' || $1, 0))"
_LOCK_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:process:' || $1, 0))"
# A statement of its own, behind the lock: it sees what was committed while that was waited for.
_GONE = "SELECT gone FROM closed_processes WHERE process_id = $1"

_CLOSE_UNDONE = """
INSERT INTO closed_processes (process_id, tenant, gone, removed, restored, kept, told)
VALUES ($1, $2, false, $3, $4, $5, false)
ON CONFLICT (process_id) DO UPDATE SET removed = $3, restored = $4, kept = $5, told = false
"""
_UNDONE = "SELECT removed, restored, kept FROM closed_processes WHERE process_id = $1 AND removed IS NOT NULL"

_CLOSE_GONE = """
INSERT INTO closed_processes (process_id, tenant, gone) VALUES ($1, $2, true)
ON CONFLICT (process_id) DO UPDATE SET gone = true
"""
_FORGET_UNDO = """
UPDATE closed_processes SET removed = NULL, restored = NULL, kept = NULL, told = true WHERE process_id = $1
"""
_PIECE = 5_000
# What is kept of a process: tables, and which of their columns says whose it is.
_KEPT = {
    "applied_batches": "process_id",
    "replaced_rows": "replaced_by",
    "repaired_rows": "process_id",
}
_REMOVE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {column} = $1 LIMIT $2))
"""


async def is_gone(connection: PgConnection, process_id: str) -> bool | None:
    """Whether a process was removed; False when it was only undone, None when it is open, and then until
    the transaction ends."""
    await connection.execute(_LOCK_SHARED, process_id)
    gone: bool | None = await connection.fetchval(_GONE, process_id)
    return gone


async def _lock_alone(connection: PgConnection, process_ids: Sequence[str]) -> None:
    """Wait for the batches of processes that are being loaded, and let no other begin before the
    transaction ends."""
    for process_id in sorted(process_ids):
        await connection.execute(_LOCK_ALONE, process_id)


async def _close_undone(connection: PgConnection, process_id: str, tenant: str, counts: UndoCounts) -> None:
    await connection.execute(_CLOSE_UNDONE, process_id, tenant, counts.removed, counts.restored, counts.kept)


async def undo_once(
    connection: PgConnection,
    of: Loaded,
    undo: Callable[[], Awaitable[UndoCounts]],
    *,
    validate_only: bool,
) -> UndoCounts:
    """Undo a process and close it and its repairs, in the connection's transaction, unless it is undone; the
    counts of that one then. With `validate_only` only call `undo`. Waits for its batches. Raises
    UndoImpossibleError when the process was removed."""
    await _lock_alone(connection, [of.process_id, *of.repairs])
    if known := await undo_of(connection, of.process_id):
        return known
    if await is_gone(connection, of.process_id):
        raise UndoImpossibleError("What was there before the process is not kept any more.")
    counts = await undo()
    if not validate_only:
        await _close_undone(connection, of.process_id, of.tenant, counts)
        for repair in of.repairs:
            await _close_undone(connection, repair, of.tenant, UndoCounts(0, 0, 0))
    return counts


async def undo_of(connection: PgConnection | PgPool, process_id: str) -> UndoCounts | None:
    """What the undo of a process did, if it is undone."""
    row = await connection.fetchrow(_UNDONE, process_id)
    return UndoCounts(*row) if row else None


class PgLeavings(Leavings):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def remove(self, process_id: str, tenant: str, *, deleted: bool) -> None:
        async with transient_errors("markers"):
            async with self._pool.acquire() as connection, connection.transaction():
                await _lock_alone(connection, [process_id])
                await connection.execute(_CLOSE_GONE, process_id, tenant)
                if deleted:
                    await connection.execute(_FORGET_UNDO, process_id)
            for table, column in _KEPT.items():
                statement = _REMOVE.format(table=table, column=column)
                while await self._pool.execute(statement, process_id, _PIECE) != "DELETE 0":
                    continue
