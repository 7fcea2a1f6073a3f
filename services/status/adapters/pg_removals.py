"""Expires and deletes processes in PostgreSQL, and keeps the log of removals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ingestor.access.scope import tenant, visible
from ingestor.runtime.errors import FailedPreconditionError
from ingestor.runtime.observability.tracing import current_traceparent
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.status.adapters.pg_account import CHANGES_CHANNEL, unknown_error
from ingestor.services.status.ports import Removal, Removals
from ingestor.services.status.processes import TERMINAL, ProcessState

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

_LOCK = "SELECT state, deleted_at FROM processes WHERE process_id = $1 AND tenant = $2 FOR UPDATE"
_LOCK_REPAIRS = """
SELECT process_id, state FROM processes WHERE repairs = $1 AND tenant = $2 AND deleted_at IS NULL
ORDER BY process_id FOR UPDATE
"""

# A tombstone keeps id, tenant, times, state and the position in lists.
_BURY = """
UPDATE processes SET deleted_at = clock_timestamp(), cleared_at = NULL, upload_id = '', file_name = '',
       size_bytes = 0, pipeline = '', pipeline_version = 0, columns = '{}', dialect = '', content_bytes = 0,
       failure_reason = NULL, failure_message = NULL, read_rows = 0, succeeded = 0, failed = 0, skipped = 0,
       batches_dispatched = 0, batches_processed = 0, bytes_dispatched = 0, message_bytes = 0,
       message_units = 0, expected_rows = NULL,
       expected_batches = NULL, max_failed = NULL, max_failed_share = NULL, repairs = NULL,
       undo_removed = NULL, undo_restored = NULL, undo_kept = NULL
WHERE process_id = ANY($1)
"""

# A process with a running repair expires after it.
_EXPIRING = """
SELECT process_id FROM processes p
WHERE ended_at IS NOT NULL AND ended_at < $1 AND expired_at IS NULL AND deleted_at IS NULL
AND NOT EXISTS (SELECT 1 FROM processes r
                WHERE r.repairs = p.process_id AND r.tenant = p.tenant AND r.ended_at IS NULL
                AND r.deleted_at IS NULL)
ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_EXPIRE = """
UPDATE processes SET expired_at = $2, cleared_at = NULL, updated_at = clock_timestamp()
WHERE process_id = ANY($1)
"""

# One writer at a time, so that a follower that has seen a number has seen all lower ones.
_LOCK_LOG = "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:status:removals', 0))"
_LIST = """
INSERT INTO removals (process_id, tenant, deleted)
SELECT process_id, tenant, $2 FROM processes WHERE process_id = ANY($1) ORDER BY process_id
"""
_ANNOUNCE = """
INSERT INTO events (tenant, process_id, type, data, traceparent)
SELECT tenant, process_id, $2, '{}', $3 FROM processes WHERE process_id = ANY($1) ORDER BY process_id
"""

# Events are published before they are removed.
_UNCLEARED = """
SELECT process_id, deleted_at IS NOT NULL AS deleted FROM processes p
WHERE cleared_at IS NULL AND (expired_at IS NOT NULL OR deleted_at IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM events e WHERE e.process_id = p.process_id AND e.published_at IS NULL)
LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_ROWS_OF_ROWS = ("row_exceptions", "row_runs", "row_history", "displaced_rows")
_ROWS_OF_PROCESS = (*_ROWS_OF_ROWS, "error_counts", "batches")
_REMOVE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE process_id = $1 {where} LIMIT $2))
"""
_CLEARED = "UPDATE processes SET cleared_at = $2 WHERE process_id = $1"


_REMOVALS = "SELECT * FROM removals WHERE sequence > $1 AND $3 IN (tenant, '*') ORDER BY sequence LIMIT $2"


class PgRemovals(Removals):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def delete(self, process_id: str) -> None:
        async with transient_errors("ledger"), self._pool.transaction() as connection:
            row = await connection.fetchrow(_LOCK, process_id, tenant())
            if row is None:
                raise unknown_error(process_id)
            if row["deleted_at"] is not None:
                return
            _check_ended(process_id, row["state"])
            repairs = await connection.fetch(_LOCK_REPAIRS, process_id, tenant())
            for repair in repairs:
                _check_ended(str(repair["process_id"]), repair["state"])
            going = [process_id, *(str(repair["process_id"]) for repair in repairs)]
            await connection.execute(_BURY, going)
            await self._list(connection, going, deleted=True)

    async def expire(self, before: datetime, now: datetime, limit: int) -> int:
        async with transient_errors("ledger"), self._pool.transaction() as connection:
            going = [str(row[0]) for row in await connection.fetch(_EXPIRING, before, limit)]
            if going:
                await connection.execute(_EXPIRE, going, now)
                await self._list(connection, going, deleted=False)
            return len(going)

    @staticmethod
    async def _list(connection: PgConnection, going: Sequence[str], *, deleted: bool) -> None:
        await connection.execute(_LOCK_LOG)
        await connection.execute(_LIST, going, deleted)
        kind = "process.deleted" if deleted else "process.expired"
        await connection.execute(_ANNOUNCE, going, kind, current_traceparent())
        for process_id in going:
            await connection.execute("SELECT pg_notify($1, $2)", CHANGES_CHANNEL, process_id)

    async def clear(self, now: datetime, limit: int) -> int:
        async with transient_errors("ledger"), self._pool.transaction() as connection:
            row = await connection.fetchrow(_UNCLEARED)
            if row is None:
                return 0
            process_id, deleted = row
            for table in _ROWS_OF_PROCESS if deleted else _ROWS_OF_ROWS:
                if count := await _remove(connection, table, "", process_id, limit):
                    return count
            # The event of the deletion stays as long as other events.
            other = "AND type <> 'process.deleted'"
            if deleted and (count := await _remove(connection, "events", other, process_id, limit)):
                return count
            await connection.execute(_CLEARED, process_id, now)
            return 1

    async def list(self, after: int, limit: int) -> Sequence[Removal]:
        async with transient_errors("ledger"):
            rows = await self._pool.fetch(_REMOVALS, after, limit, visible())
        return [
            Removal(row["sequence"], str(row["process_id"]), row["tenant"], row["deleted"]) for row in rows
        ]


async def _remove(
    connection: PgConnection, table: str, where: str, process_id: object, limit: int
) -> int:  # fmt: skip
    done = await connection.execute(_REMOVE.format(table=table, where=where), process_id, limit)
    return int(done.rpartition(" ")[2])


def _check_ended(process_id: str, state: int) -> None:
    if ProcessState(state) not in TERMINAL:
        raise FailedPreconditionError(
            "PROCESS_RUNNING",
            f"Process {process_id} has not ended; cancel it first.",
            metadata={"process_id": process_id},
        )
