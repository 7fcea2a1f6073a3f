"""What the processor records about batches and processes, in the transactions that load the rows: the markers
of applied batches, which failed rows a repair has loaded, and which processes are closed.

A closed process was undone or removed, and its batches no longer have an effect. A batch takes the lock of
its process shared, then looks whether the process is closed; whatever closes a process takes the lock alone.
So a batch is either in the sink, whole and with its marker, before its process is closed, or finds it closed.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ingestor.access.scope import tenant
from ingestor.provisioning.names import tenant_schema
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.processor.batches import BatchKey, BatchOutcome, unprocessed_outcome
from ingestor.services.processor.ports import (
    Applied,
    GoodRows,
    HandedBack,
    Loaded,
    ProcessRecords,
    Refused,
    TenantGoneError,
    UndoCounts,
    UndoImpossibleError,
)
from ingestor.services.processor.reading import repaired_meanwhile

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

# Waits for another transaction that applies the same batch; inserts nothing if the marker exists.
_CLAIM = """
INSERT INTO processor.applied_batches (process_id, batch_number, tenant, outcome) VALUES ($1, $2, $3, $4)
ON CONFLICT (process_id, batch_number, tenant) DO NOTHING RETURNING 1
"""
_BATCH = "(process_id, batch_number, tenant) = ($1, $2, $3)"
_KNOWN = f"SELECT outcome FROM processor.applied_batches WHERE {_BATCH}"  # noqa: S608
_CONCLUDE = f"UPDATE processor.applied_batches SET outcome = $4, loaded = $5 WHERE {_BATCH}"  # noqa: S608
_FORGET_OUTCOME = f"UPDATE processor.applied_batches SET outcome = NULL WHERE {_BATCH}"  # noqa: S608
_HAS_LOADED = """
SELECT EXISTS (SELECT FROM processor.applied_batches WHERE process_id = $1 AND tenant = $2 AND loaded)
"""


_HAS_SCHEMA = "SELECT $2 = 'default' OR to_regnamespace(quote_ident($1)) IS NOT NULL"


async def begin(connection: PgConnection, key: BatchKey, owner: str | None = None) -> Applied | None:
    """Set the marker of a batch that is about to be loaded, visible to this transaction only until it ends,
    and return None. If the marker exists already, or the process was undone or removed, return what `load`
    is to answer instead. Waits for another transaction that has set the marker, and for one that undoes or
    removes the process. `owner` is the process as whose rows the rows are loaded, if it is another one: the
    repaired process of a repair."""
    for process_id in {key.process_id: None, owner or key.process_id: None}:
        gone = await is_gone(connection, process_id, key.tenant)
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
    loaded = outcome.succeeded > 0
    await connection.execute(_CONCLUDE, key.process_id, key.range.number, key.tenant, payload, loaded)


async def has_loaded(connection: PgConnection | PgPool, process_id: str, tenant: str) -> bool:
    """Whether batches of the process have loaded rows."""
    return bool(await connection.fetchval(_HAS_LOADED, process_id, tenant))


async def _known(connection: PgConnection, key: BatchKey) -> Applied:
    """The outcome of a batch whose marker exists."""
    payload = await connection.fetchval(_KNOWN, key.process_id, key.range.number, key.tenant)
    return Applied(BatchOutcome.from_bytes(zlib.decompress(payload)) if payload else None)


class PgMarkers:
    """The markers of batches."""

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def settle(self, outcome: BatchOutcome) -> Applied:
        async with transient_errors("sink"), self._pool.transaction() as connection:
            if await is_gone(connection, outcome.key.process_id, outcome.key.tenant):
                return Applied(None)
            return await _settle(connection, outcome)

    async def forget_outcome(self, key: BatchKey) -> None:
        async with transient_errors("sink"):
            await self._pool.execute(_FORGET_OUTCOME, key.process_id, key.range.number, key.tenant)

    async def has_tenant(self) -> bool:
        """As of the port."""
        try:
            async with transient_errors("sink"), self._pool.transaction() as connection:
                # The role of a removed tenant may be left, for another database of the server.
                return bool(await connection.fetchval(_HAS_SCHEMA, tenant_schema(tenant()), tenant()))
        except TenantGoneError:
            return False


def _pack(outcome: BatchOutcome) -> bytes:
    return zlib.compress(outcome.to_bytes(), 1)


# Released at the end of the transaction.
_LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('ingestor:process:' || $1, 0))"
_LOCK_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:process:' || $1, 0))"
# A statement of its own after the lock, so that it sees what was committed while the lock was awaited.
_GONE = "SELECT gone FROM processor.closed_processes WHERE process_id = $1 AND tenant = $2"

_CLOSE_UNDONE = """
INSERT INTO processor.closed_processes (process_id, tenant, gone, removed, restored, kept, reported)
VALUES ($1, $2, false, $3, $4, $5, false)
ON CONFLICT (process_id, tenant) DO UPDATE SET removed = $3, restored = $4, kept = $5, reported = false
"""
_UNDONE = """
SELECT removed, restored, kept FROM processor.closed_processes
WHERE process_id = $1 AND tenant = $2 AND removed IS NOT NULL
"""

_CLOSE_GONE = """
INSERT INTO processor.closed_processes (process_id, tenant, gone) VALUES ($1, $2, true)
ON CONFLICT (process_id, tenant) DO UPDATE SET gone = true
"""
_FORGET_UNDO = """
UPDATE processor.closed_processes SET removed = NULL, restored = NULL, kept = NULL, reported = true
WHERE process_id = $1 AND tenant = $2
"""
_PIECE = 5_000
# Tables with records of processes, and the column of each that names the process.
_KEPT = {
    "processor.applied_batches": "process_id",
    "processor.replaced_rows": "replaced_by",
    "processor.repaired_rows": "process_id",
    "processor.row_lineage": "process_id",
    "processor.handed_back": "process_id",
    "processor.rows_before": "process_id",
}
_REMOVE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {table} WHERE {column} = $1 AND tenant = $2 LIMIT $3))
"""


async def is_gone(connection: PgConnection, process_id: str, tenant: str) -> bool | None:
    """True if a process was removed, False if it was only undone, None if it is open; then it stays open
    until the transaction ends."""
    await connection.execute(_LOCK_SHARED, process_id)
    gone: bool | None = await connection.fetchval(_GONE, process_id, tenant)
    return gone


async def _lock_alone(connection: PgConnection, process_ids: Sequence[str]) -> None:
    """Wait until no batch of these processes is being loaded, and let none begin before the transaction
    ends."""
    for process_id in sorted(process_ids):
        await connection.execute(_LOCK_ALONE, process_id)


async def _close_undone(connection: PgConnection, process_id: str, tenant: str, counts: UndoCounts) -> None:
    await connection.execute(_CLOSE_UNDONE, process_id, tenant, counts.removed, counts.restored, counts.kept)


async def undo_once(
    connection: PgConnection,
    of: Loaded,
    undo: Callable[[], Awaitable[UndoCounts]],
    *,
    dry_run: bool,
) -> UndoCounts:
    """Undo a process and close it and its repairs, in the connection's transaction; if it is undone already,
    return the counts of that undo. With `dry_run` only call `undo`. Waits for batches that are being loaded.
    Raises UndoImpossibleError when the process was removed."""
    await _lock_alone(connection, [of.process_id, *of.repairs])
    if known := await undo_of(connection, of.process_id, of.tenant):
        return known
    if await is_gone(connection, of.process_id, of.tenant):
        raise UndoImpossibleError("The rows that the process replaced are no longer kept.")
    counts = await undo()
    if not dry_run:
        await _close_undone(connection, of.process_id, of.tenant, counts)
        for repair in of.repairs:
            await _close_undone(connection, repair, of.tenant, UndoCounts(0, 0, 0))
    return counts


async def undo_of(connection: PgConnection | PgPool, process_id: str, tenant: str) -> UndoCounts | None:
    """What the undo of a process did, if it is undone."""
    row = await connection.fetchrow(_UNDONE, process_id, tenant)
    return UndoCounts(*row) if row else None


class PgProcessRecords(ProcessRecords):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def remove(self, process_id: str, tenant: str, *, deleted: bool) -> None:
        async with transient_errors("markers"):
            async with self._pool.transaction() as connection:
                await _lock_alone(connection, [process_id])
                await connection.execute(_CLOSE_GONE, process_id, tenant)
                if deleted:
                    await connection.execute(_FORGET_UNDO, process_id, tenant)
            for table, column in _KEPT.items():
                statement = _REMOVE.format(table=table, column=column)
                while await self._pool.execute(statement, process_id, tenant, _PIECE) != "DELETE 0":
                    continue


_HAND_BACK = """
INSERT INTO processor.handed_back (message_id, process_id, tenant) VALUES ($1, $2, $3)
ON CONFLICT (message_id, tenant) DO NOTHING
"""
_WAS_HANDED_BACK = "SELECT EXISTS (SELECT FROM processor.handed_back WHERE (message_id, tenant) = ($1, $2))"


class PgHandedBack(HandedBack):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def note(self, message_id: str, key: BatchKey) -> None:
        async with transient_errors("markers"), self._pool.transaction() as connection:
            if not await is_gone(connection, key.process_id, key.tenant):
                await connection.execute(_HAND_BACK, message_id, key.process_id, key.tenant)

    async def is_noted(self, message_id: str, tenant: str) -> bool:
        async with transient_errors("markers"):
            return bool(await self._pool.fetchval(_WAS_HANDED_BACK, message_id, tenant))


# Claims those rows of the repaired process that no repair has loaded yet. In order, so that two repairs never
# deadlock. Waits for repairs that are loading the same rows.
_TAKE = """
INSERT INTO processor.repaired_rows (process_id, row_number, tenant, repair_process_id)
SELECT $1, number, $3, $4 FROM unnest($2::bigint[]) AS n (number) ORDER BY number
ON CONFLICT (process_id, row_number, tenant) DO NOTHING RETURNING row_number
"""
_GIVE_BACK = """
DELETE FROM processor.repaired_rows WHERE process_id = $1 AND row_number = ANY($2) AND tenant = $3
"""


async def load_unrepaired(
    connection: PgConnection,
    key: BatchKey,
    rows: GoodRows,
    load: Callable[[GoodRows], Awaitable[Sequence[Refused]]],
) -> Sequence[Refused]:
    """Load those rows of a repair that no other repair has loaded, in the connection's transaction. Returns
    the rows that were refused, and as skipped those that another repair has loaded. If there are none of
    these, `load` gets `rows` itself."""
    owner, numbers = rows.repairs, rows.row_numbers
    taken = await connection.fetch(_TAKE, owner, numbers.tolist(), key.tenant, key.process_id)
    mine = np.isin(numbers, np.fromiter((row[0] for row in taken), np.int64, len(taken)))
    positions = np.flatnonzero(mine)
    if len(positions) < len(numbers):
        rows = replace(rows, data=rows.data.filter(pa.array(mine)), row_numbers=numbers[mine])
    refused = await load(rows)
    if refused:
        given_back = [int(rows.row_numbers[row.position]) for row in refused]
        await connection.execute(_GIVE_BACK, owner, given_back, key.tenant)
    others = [
        Refused(int(position), repaired_meanwhile(int(numbers[position])), "skipped")
        for position in np.flatnonzero(~mine)
    ]
    return [*(replace(row, position=int(positions[row.position])) for row in refused), *others]
