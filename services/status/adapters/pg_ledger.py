"""The ledger in PostgreSQL: writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ingestor.runtime.postgres import transient_errors
from ingestor.runtime.tracing import current_traceparent
from services.status import ledger
from services.status.ledger import Account, Batch, Change, ChangeFunction, Event, Outcome
from services.status.ports import Limits
from services.status.processes import TERMINAL, Failure, Info, ProcessState, RowState
from services.status.rows import RejectedRow, RowError

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection, PgPool

CHANGES_CHANNEL = "status_changes"

# A process that is heard of before it was started gets its row here.
_ENSURE = "INSERT INTO processes (process_id, tenant) VALUES ($1, $2) ON CONFLICT (process_id) DO NOTHING"

# Everything that happens to a process goes through this lock.
_LOCK = """
SELECT state, read_rows, succeeded, failed, skipped, batches_dispatched, batches_processed,
       bytes_dispatched, header_read, paused, cancelled, expected_rows, expected_batches,
       failure_reason, failure_message, tenant, started, max_failed, max_failed_share
FROM processes WHERE process_id = $1 FOR UPDATE
"""

_SAVE = """
UPDATE processes SET
    state = $2, read_rows = $3, succeeded = $4, failed = $5, skipped = $6, batches_dispatched = $7,
    batches_processed = $8, bytes_dispatched = $9, header_read = $10, paused = $11, cancelled = $12,
    expected_rows = $13, expected_batches = $14, failure_reason = $15, failure_message = $16,
    updated_at = clock_timestamp(),
    ended_at = CASE WHEN $17 THEN coalesce(ended_at, clock_timestamp()) END,
    max_failed = $18, max_failed_share = $19
WHERE process_id = $1
"""

_START = """
UPDATE processes SET started = true, tenant = $2, upload_id = $3, file_name = $4, size_bytes = $5,
       pipeline = $6, pipeline_version = $7, updated_at = clock_timestamp()
WHERE process_id = $1
"""

# Nothing is inserted when the batch is there.
_INSERT_BATCH = """
INSERT INTO batches (process_id, batch_number, tenant, first_row, row_count, first_line, byte_start, byte_end)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (process_id, batch_number) DO NOTHING RETURNING 1
"""

_BATCH = """
SELECT first_row, row_count, first_line, byte_start, byte_end, processed_at IS NOT NULL AS processed
FROM batches WHERE process_id = $1 AND batch_number = $2
"""

_OUTCOME = """
UPDATE batches SET processed_at = clock_timestamp(), default_state = $3, succeeded = $4, failed = $5,
       skipped = $6, error = $7
WHERE process_id = $1 AND batch_number = $2
"""

_EVENT = "INSERT INTO events (tenant, process_id, type, data, traceparent) VALUES ($1, $2, $3, $4, $5)"


class PgLedger:
    """See Ledger."""

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def start(self, info: Info) -> Account:
        """See Ledger."""
        async with self._process(info.process_id, info.tenant) as work:
            if not work.started:
                await work.connection.execute(
                    _START,
                    info.process_id,
                    info.tenant,
                    info.upload_id,
                    info.file_name,
                    info.size_bytes,
                    info.pipeline,
                    info.pipeline_version,
                )
                event = Event(
                    "ingestion.started",
                    {
                        "file_name": info.file_name,
                        "size_bytes": info.size_bytes,
                        "pipeline": info.pipeline,
                        "pipeline_version": info.pipeline_version,
                    },
                )
                await work.apply((work.account, [event]))
            return work.account

    async def change(self, process_id: str, how: ChangeFunction) -> Account:
        """See Ledger."""
        async with self._process(process_id) as work:
            await work.apply(how(work.account))
            return work.account

    async def read_header(
        self, process_id: str, columns: Sequence[str], dialect: str, content_bytes: int, limits: Limits
    ) -> Account:
        """See Ledger."""
        async with self._process(process_id) as work:
            await work.connection.execute(
                "UPDATE processes SET columns = $2, dialect = $3, content_bytes = $4 WHERE process_id = $1",
                process_id, list(columns), dialect, content_bytes,
            )  # fmt: skip
            await work.apply(ledger.header_read(work.account, limits.max_failed, limits.max_failed_share))
            return work.account

    async def dispatch(self, process_id: str, tenant: str, batch: Batch) -> Account:
        """See Ledger."""
        async with self._process(process_id, tenant) as work:
            await self._dispatch(work, tenant, batch)
            return work.account

    async def _dispatch(self, work: _Work, tenant: str, batch: Batch) -> bool:
        """Make sure that the batch is there; whether it has an outcome."""
        values = (
            batch.first_row, batch.row_count, batch.first_line, batch.byte_start, batch.byte_end
        )  # fmt: skip
        if await work.connection.fetchval(_INSERT_BATCH, work.process_id, batch.number, tenant, *values):
            await work.apply(ledger.dispatched(work.account, batch))
            return False
        known = await work.connection.fetchrow(_BATCH, work.process_id, batch.number)
        assert known is not None
        if tuple(known)[:5] != values:
            raise ValueError(f"batch {batch.number} is known with other bounds: {tuple(known)[:5]}, {values}")
        return bool(known["processed"])

    async def record(
        self,
        process_id: str,
        tenant: str,
        outcome: Outcome,
        error: RowError | None,
        rows: Sequence[RejectedRow],
    ) -> bool:
        """See Ledger."""
        _check_rows(outcome, rows)
        async with self._process(process_id, tenant) as work:
            if await self._dispatch(work, tenant, outcome.batch):
                return False
            number = outcome.batch.number
            await work.connection.execute(
                _OUTCOME,
                process_id,
                number,
                int(outcome.default_state),
                outcome.succeeded,
                outcome.failed,
                outcome.skipped,
                json.dumps(_error(error)) if error else None,
            )
            if rows:
                await work.connection.copy_records_to_table(
                    "row_exceptions",
                    records=(
                        (
                            process_id, row.row_number, row.line_number, number, tenant, int(row.state),
                            json.dumps([_error(e) for e in row.errors], ensure_ascii=False),
                            [_text(cell) for cell in row.cells],
                        )
                        for row in rows
                    ),
                    columns=[
                        "process_id", "row_number", "line_number", "batch_number", "tenant", "state",
                        "errors", "cells",
                    ],
                )  # fmt: skip
            counts = _counts(outcome, error, rows)
            if counts:
                await work.connection.copy_records_to_table(
                    "error_counts",
                    records=[(process_id, number, tenant, *group) for group in counts],
                    columns=[
                        "process_id", "batch_number", "tenant", "code", "field", "count", "example",
                        "first_row",
                    ],
                )  # fmt: skip
            await work.apply(ledger.processed(work.account, outcome))
            return True

    @asynccontextmanager
    async def _process(self, process_id: str, tenant: str = "default") -> AsyncIterator[_Work]:
        """A transaction that holds the process; what it changed is saved and announced at its end."""
        async with transient_errors("ledger"), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_ENSURE, process_id, tenant)
            row = await connection.fetchrow(_LOCK, process_id)
            assert row is not None
            work = _Work(connection, process_id, row["tenant"], row["started"], _account(row))
            yield work
            if work.changed:
                await work.save()


class _Work:
    """One transaction on one process."""

    def __init__(
        self, connection: PgConnection, process_id: str, tenant: str, started: bool, account: Account
    ) -> None:
        self.connection = connection
        self.process_id = process_id
        self.started = started
        self.account = account
        self.changed = False
        self._tenant = tenant

    async def apply(self, change: Change) -> None:
        """Take the new account and write its events."""
        self.account, events = change
        self.changed = True
        if events:
            trace = current_traceparent()
            await self.connection.executemany(
                _EVENT,
                [(self._tenant, self.process_id, e.type, json.dumps(e.data), trace) for e in events],
            )

    async def save(self) -> None:
        """Write the account and tell watchers, who hear of it at the commit."""
        a = self.account
        await self.connection.execute(
            _SAVE, self.process_id, int(a.state), a.read, a.succeeded, a.failed, a.skipped,
            a.batches_dispatched, a.batches_processed, a.bytes_dispatched, a.header_read, a.paused,
            a.cancelled, a.expected_rows, a.expected_batches,
            a.failure.reason if a.failure else None, a.failure.message if a.failure else None,
            a.state in TERMINAL, a.max_failed, a.max_failed_share,
        )  # fmt: skip
        await self.connection.execute("SELECT pg_notify($1, $2)", CHANGES_CHANNEL, self.process_id)


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
        header_read=row["header_read"],
        paused=row["paused"],
        cancelled=row["cancelled"],
        expected_rows=row["expected_rows"],
        expected_batches=row["expected_batches"],
        failure=failure,
        max_failed=row["max_failed"],
        max_failed_share=row["max_failed_share"],
    )


def _check_rows(outcome: Outcome, rows: Sequence[RejectedRow]) -> None:
    """Raises ValueError when the rows do not fit the batch's counts."""
    numbers = {row.row_number for row in rows}
    first, last = outcome.batch.first_row, outcome.batch.first_row + outcome.batch.row_count - 1
    if len(numbers) != len(rows) or any(not first <= number <= last for number in numbers):
        raise ValueError(f"batch {outcome.batch.number}: rows outside of {first}..{last} or told twice")
    skipped = sum(row.state is RowState.SKIPPED for row in rows)
    failed = len(rows) - skipped
    if outcome.default_state is RowState.FAILED:
        failed += outcome.batch.row_count - len(rows) - outcome.succeeded
    if (failed, skipped) != (outcome.failed, outcome.skipped):
        raise ValueError(
            f"batch {outcome.batch.number}: {failed} failed and {skipped} skipped rows came, "
            f"{outcome.failed} and {outcome.skipped} were announced"
        )


def _counts(
    outcome: Outcome, error: RowError | None, rows: Sequence[RejectedRow]
) -> list[tuple[str, str, int, str, int]]:
    """(code, field, count, example, first row) of the batch's FAILED rows."""
    counter: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], tuple[str, int]] = {}
    own = 0
    for row in rows:
        if row.state is not RowState.FAILED:
            continue
        own += 1
        for found in row.errors:
            key = (_text(found.code), _text(found.field))
            counter[key] += 1
            if key not in examples or row.row_number < examples[key][1]:
                examples[key] = (_text(found.message), row.row_number)
    if error is not None and outcome.failed > own:
        key = (error.code, error.field)
        counter[key] += outcome.failed - own
        examples.setdefault(key, (error.message, outcome.batch.first_row))
    return [(code, field, count, *examples[code, field]) for (code, field), count in counter.items()]


def _error(error: RowError) -> list[object]:
    return [_text(error.code), _text(error.field), _text(error.value), _text(error.message), error.phase]


def _text(text: str) -> str:
    """PostgreSQL's text cannot hold U+0000; it is shown as the replacement character."""
    return text.replace("\0", "\ufffd")
