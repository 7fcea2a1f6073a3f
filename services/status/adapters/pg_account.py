"""Changes the account of one process under its lock, and writes the events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ingestor.access.limits.pipelines import sees_pipeline
from ingestor.access.scope import tenant
from ingestor.runtime.errors import NotFoundError
from ingestor.runtime.observability.tracing import current_traceparent
from ingestor.services.status.ledger import Account, Change, Event
from ingestor.services.status.processes import TERMINAL, Failure, ProcessState

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

CHANGES_CHANNEL = "status_changes"
ENDS_CHANNEL = "status_ends"  # changes that end a process, in addition

# Creates the process when a report arrives before its start.
_ENSURE = "INSERT INTO processes (process_id, tenant) VALUES ($1, $2) ON CONFLICT (process_id) DO NOTHING"

# Every change of a process takes this lock.
_LOCK = """
SELECT state, read_rows, succeeded, failed, skipped, batches_dispatched, batches_processed,
       bytes_dispatched, message_bytes, message_units, header_read, paused, cancelled, expected_rows,
       expected_batches, failure_reason, failure_message, started, pipeline, max_failed, max_failed_share,
       pause_reason, pause_resumes, deleted_at IS NOT NULL AS deleted, expired_at IS NOT NULL AS expired
FROM processes WHERE process_id = $1 AND tenant = $2 FOR UPDATE
"""

# The account, its events in order, and the notifications that watchers get at the commit: one statement, as
# round trips are most of the time of short work.
_SAVE = """
WITH saved AS (
    UPDATE processes SET
        state = $2, read_rows = $3, succeeded = $4, failed = $5, skipped = $6, batches_dispatched = $7,
        batches_processed = $8, bytes_dispatched = $9, header_read = $10, paused = $11, cancelled = $12,
        expected_rows = $13, expected_batches = $14, failure_reason = $15, failure_message = $16,
        updated_at = clock_timestamp(),
        ended_at = CASE WHEN $17 THEN coalesce(ended_at, clock_timestamp()) END,
        max_failed = $18, max_failed_share = $19, pause_reason = $20, pause_resumes = $21,
        message_bytes = $27, message_units = $28
    WHERE process_id = $1
), logged AS (
    INSERT INTO events (tenant, process_id, type, data, traceparent)
    SELECT $22, $1, e.type, e.data::jsonb, $23
    FROM unnest($24::text[], $25::text[]) WITH ORDINALITY AS e (type, data, place) ORDER BY place
)
SELECT pg_notify($26, $1::text), CASE WHEN $17 THEN pg_notify($29, $1::text) END
"""


def unknown_error(process_id: str) -> NotFoundError:
    """The error of every call about a process that does not exist, or is another tenant's."""
    return NotFoundError("PROCESS_NOT_FOUND", f"Process {process_id} does not exist.")


def deleted_error(process_id: str) -> NotFoundError:
    """The error of every call about a deleted process."""
    return NotFoundError("PROCESS_DELETED", f"Process {process_id} was deleted.")


@asynccontextmanager
async def hold(connection: PgConnection, process_id: str) -> AsyncIterator[Work]:
    """Lock a process of the tenant in scope until the end of the connection's transaction, creating it if
    necessary; save its changes and notify watchers. Raises NotFoundError (PROCESS_DELETED, and
    PROCESS_NOT_FOUND for another tenant's process, and for one that the caller's key is not for)."""
    owner = tenant()
    row = await connection.fetchrow(_LOCK, process_id, owner)
    if row is None:
        await connection.execute(_ENSURE, process_id, owner)
        row = await connection.fetchrow(_LOCK, process_id, owner)
    if row is None or (row["started"] and not sees_pipeline(row["pipeline"])):
        raise unknown_error(process_id)
    if row["deleted"]:
        raise deleted_error(process_id)
    work = Work(connection, process_id, owner, row["started"], row["expired"], _account(row))
    yield work
    if work.changed:
        await work.save()


class Work:
    """One transaction on one process. Its records are of its tenant, as the references between their tables
    demand; so statements that follow name the process only."""

    def __init__(
        self,
        connection: PgConnection,
        process_id: str,
        tenant: str,
        started: bool,
        expired: bool,
        account: Account,
    ) -> None:
        self.connection = connection
        self.process_id = process_id
        self.started = started
        self.expired = expired  # the records of its rows have been removed
        self.account = account
        self.changed = False
        self.tenant = tenant
        self._events: list[Event] = []

    def apply(self, change: Change) -> None:
        """Set the new account and note its events; `save` writes them."""
        self.account, events = change
        self.changed = True
        self._events += events

    async def save(self) -> None:
        """Write the account and its events, and notify watchers at the commit."""
        a, events = self.account, self._events
        await self.connection.execute(
            _SAVE, self.process_id, int(a.state), a.read, a.succeeded, a.failed, a.skipped,
            a.batches_dispatched, a.batches_processed, a.bytes_dispatched, a.header_read, a.paused,
            a.cancelled, a.expected_rows, a.expected_batches,
            a.failure.reason if a.failure else None, a.failure.message if a.failure else None,
            a.state in TERMINAL, a.max_failed, a.max_failed_share, a.pause_reason, a.pause_resumes,
            self.tenant, current_traceparent(), [event.type for event in events],
            [json.dumps(event.data) for event in events], CHANGES_CHANNEL, a.message_bytes, a.message_units,
            ENDS_CHANNEL,
        )  # fmt: skip


def _account(row: Any) -> Account:
    failure = Failure(row["failure_reason"], row["failure_message"]) if row["failure_reason"] else None
    return Account(
        state=ProcessState(row["state"]),
        read=row["read_rows"],
        succeeded=row["succeeded"],
        failed=row["failed"],
        skipped=row["skipped"],
        batches_dispatched=row["batches_dispatched"],
        batches_processed=row["batches_processed"],
        bytes_dispatched=row["bytes_dispatched"],
        message_bytes=row["message_bytes"],
        message_units=row["message_units"],
        header_read=row["header_read"],
        paused=row["paused"],
        cancelled=row["cancelled"],
        expected_rows=row["expected_rows"],
        expected_batches=row["expected_batches"],
        failure=failure,
        max_failed=row["max_failed"],
        max_failed_share=row["max_failed_share"],
        pause_reason=row["pause_reason"],
        pause_resumes=row["pause_resumes"],
    )
