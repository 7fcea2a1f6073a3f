"""Ingestions and batch boundaries in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from ingestor.access.limits.quotas import NO_LIMITS, QuotaExceededError, QuotaLimits, QuotaName
from ingestor.access.scope import visible
from ingestor.notices import notices_from_json, notices_to_json
from ingestor.runtime.errors import NotFoundError
from ingestor.runtime.postgres.errors import TRANSIENT_ERRORS, transient_errors
from ingestor.services.orchestrator.ingestions import (
    Batch,
    Content,
    FileInfo,
    Ingestion,
    IngestionState,
    Layout,
    RetriedRows,
)
from ingestor.services.orchestrator.ports import BusyError, Flags, Ingestions

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

_ADD = """
INSERT INTO ingestions (process_id, tenant, upload_id, file_name, size_bytes, pipeline, pipeline_version,
                        repairs)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (process_id) DO NOTHING RETURNING *
"""

# Inserts nothing when an unsettled retry of the same process exists.
_ADD_RETRY = """
INSERT INTO ingestions (process_id, tenant, upload_id, file_name, size_bytes, pipeline, pipeline_version,
                        repairs, retry, state, file_key, content_bytes, normal_form, dialect, columns,
                        delimiter, quote, data_start, data_line)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, true, 'open', $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (repairs) WHERE retry AND NOT settled DO NOTHING RETURNING 1
"""

_ADD_RETRIED = """
INSERT INTO batches (process_id, batch_number, tenant, first_row, row_count, first_line, next_line,
                     byte_start, byte_end, retried_rows, retried_first)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

_SET_CONTENT = """
UPDATE ingestions SET file_key = $2, content_bytes = $3, normal_form = $4, dialect = $5, notices = $6,
       state = 'open'
WHERE process_id = $1 AND state = 'announced' RETURNING *
"""

# Counts the rows of a batch as used today, if any are left; then records it. Reads the flags of its ingestion
# in the same round trip.
_RECORD = """
WITH counted AS (
    INSERT INTO access.usage AS u (tenant, day, name, used)
    SELECT $3, (now() AT TIME ZONE 'UTC')::date, 'rows_per_day', $5::bigint
    WHERE coalesce($10::bigint, 1) > 0
    ON CONFLICT (tenant, day, name) DO UPDATE SET used = u.used + excluded.used
    WHERE u.used < coalesce($10::bigint, u.used + 1)
    RETURNING used),
recorded AS (
    INSERT INTO batches (process_id, batch_number, tenant, first_row, row_count, first_line, next_line,
                         byte_start, byte_end)
    SELECT $1::uuid, $2::bigint, $3, $4::bigint, $5, $6::bigint, $7::bigint, $8::bigint, $9::bigint
    FROM counted)
SELECT state, paused, (SELECT used FROM counted) AS used FROM ingestions WHERE process_id = $1::uuid
"""

_TAKE_UNSETTLED = """
UPDATE ingestions SET reconcile_at = $2
WHERE process_id IN (SELECT process_id FROM ingestions WHERE NOT settled AND reconcile_at <= $1
                     ORDER BY reconcile_at LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING *
"""

_MARK_LOST = """
WITH lost AS (
    UPDATE batches SET sent_at = '-infinity'
    WHERE process_id = $1 AND batch_number = ANY($2) AND sent_at IS NOT NULL)
UPDATE ingestions SET reconcile_at = '-infinity' WHERE process_id = $1
"""

# A session lock: it ends with the connection, and so with its holder.
_HOLD = "SELECT pg_try_advisory_lock(hashtextextended('ingestor:ingestion:' || $1, 0))"
_RELEASE = "SELECT pg_advisory_unlock(hashtextextended('ingestor:ingestion:' || $1, 0))"


class PgIngestions(Ingestions):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def _fetch(self, query: str, *arguments: object) -> list[Any]:
        async with transient_errors("ingestions"):
            return list(await self._pool.fetch(query, *arguments))

    async def add(self, file: FileInfo) -> Ingestion:
        added = await self._fetch(
            _ADD, file.process_id, file.tenant, file.upload_id, file.file_name, file.size_bytes,
            file.pipeline, file.pipeline_version, file.repairs or None,
        )  # fmt: skip
        found = _ingestion(added[0]) if added else await self.get(file.process_id)
        if found is None:  # another tenant has it
            raise NotFoundError("PROCESS_NOT_FOUND", f"Process {file.process_id} does not exist.")
        return found

    async def set_content(self, process_id: str, content: Content) -> Ingestion | None:
        rows = await self._fetch(
            _SET_CONTENT, process_id, content.file_key, content.size_bytes, content.normal_form,
            content.dialect, notices_to_json(content.notices),
        )  # fmt: skip
        return _ingestion(rows[0]) if rows else None

    async def get(self, process_id: str) -> Ingestion | None:
        rows = await self._fetch(
            "SELECT * FROM ingestions WHERE process_id = $1 AND $2 IN (tenant, '*')", process_id, visible()
        )
        return _ingestion(rows[0]) if rows else None

    @asynccontextmanager
    async def hold(self, process_id: str) -> AsyncIterator[None]:
        async with self._pool.session() as connection:
            async with transient_errors("ingestions"):
                held = await connection.fetchval(_HOLD, process_id)
            if not held:
                raise BusyError
            try:
                yield
            finally:
                # A lost connection has released the lock.
                with suppress(*TRANSIENT_ERRORS):
                    await connection.execute(_RELEASE, process_id)

    async def set_layout(self, process_id: str, layout: Layout) -> None:
        await self._fetch(
            "UPDATE ingestions SET columns = $2, delimiter = $3, quote = $4, data_start = $5, data_line = $6 "
            "WHERE process_id = $1",
            process_id, list(layout.columns), layout.delimiter, layout.quote, layout.data_start,
            layout.data_line,
        )  # fmt: skip

    async def last_batch(self, process_id: str) -> Batch | None:
        rows = await self._fetch(
            "SELECT * FROM batches WHERE process_id = $1 ORDER BY batch_number DESC LIMIT 1", process_id
        )
        return _batch(rows[0]) if rows else None

    async def unsent(self, process_id: str) -> Sequence[Batch]:
        rows = await self._fetch(
            "SELECT * FROM batches WHERE process_id = $1 AND sent_at IS NULL ORDER BY batch_number",
            process_id,
        )
        return [_batch(row) for row in rows]

    async def record(
        self, process_id: str, tenant: str, batch: Batch, limits: QuotaLimits = NO_LIMITS
    ) -> Flags:
        limit = limits.get(QuotaName.ROWS_PER_DAY)
        try:
            rows = await self._fetch(
                _RECORD, process_id, batch.number, tenant, batch.first_row, batch.row_count,
                batch.first_line, batch.next_line, batch.byte_start, batch.byte_end, limit,
            )  # fmt: skip
        except asyncpg.UniqueViolationError as error:
            raise BusyError from error
        if rows[0]["used"] is None:
            assert limit is not None, "without a limit every row is counted"
            raise QuotaExceededError(QuotaName.ROWS_PER_DAY, limit, limit, 0)
        return Flags(IngestionState(rows[0]["state"]), rows[0]["paused"])

    async def batches(self, process_id: str) -> Sequence[Batch]:
        rows = await self._fetch(
            "SELECT * FROM batches WHERE process_id = $1 ORDER BY batch_number", process_id
        )
        return [_batch(row) for row in rows]

    async def add_retry(self, retry: Ingestion, batches: Sequence[Batch]) -> str:
        file, content, layout = retry.file, retry.content, retry.layout
        assert content is not None and layout is not None, "a retry has content and a layout"
        async with transient_errors("ingestions"), self._pool.transaction() as connection:
            added = await connection.fetchval(
                _ADD_RETRY, file.process_id, file.tenant, file.upload_id, file.file_name, file.size_bytes,
                file.pipeline, file.pipeline_version, file.repairs, content.file_key, content.size_bytes,
                content.normal_form, content.dialect, list(layout.columns), layout.delimiter, layout.quote,
                layout.data_start, layout.data_line,
            )  # fmt: skip
            if added:
                # Row-level security refuses COPY.
                await connection.executemany(
                    _ADD_RETRIED,
                    [
                        (
                            file.process_id, b.number, file.tenant, b.first_row, b.row_count, b.first_line,
                            b.next_line, b.byte_start, b.byte_end, list(b.retried.rows), b.retried.first_row,
                        )
                        for b in batches if b.retried is not None
                    ],
                )  # fmt: skip
                return file.process_id
        existing = await self.retry_of(file.repairs)
        if existing is None:  # it has just settled
            return await self.add_retry(retry, batches)
        return existing

    async def retry_of(self, process_id: str) -> str | None:
        rows = await self._fetch(
            "SELECT process_id FROM ingestions WHERE repairs = $1 AND retry AND NOT settled", process_id
        )
        return str(rows[0]["process_id"]) if rows else None

    async def retries(self, process_id: str) -> Collection[str]:
        rows = await self._fetch("SELECT process_id FROM ingestions WHERE repairs = $1 AND retry", process_id)
        return {str(row["process_id"]) for row in rows}

    async def open_retries(self, limit: int) -> Sequence[Ingestion]:
        rows = await self._fetch(
            "SELECT * FROM ingestions WHERE retry AND NOT settled AND state = 'open' "
            "ORDER BY created_at LIMIT $1",
            limit,
        )
        return [_ingestion(row) for row in rows]

    async def flags(self, process_id: str) -> Flags:
        rows = await self._fetch("SELECT state, paused FROM ingestions WHERE process_id = $1", process_id)
        return Flags(IngestionState(rows[0]["state"]), rows[0]["paused"])

    async def mark_sent(self, process_id: str, number: int) -> None:
        await self._fetch(
            "UPDATE batches SET sent_at = clock_timestamp() WHERE process_id = $1 AND batch_number = $2",
            process_id, number,
        )  # fmt: skip

    async def mark_lost(self, process_id: str, numbers: Sequence[int]) -> None:
        await self._fetch(_MARK_LOST, process_id, list(numbers))

    async def finish(self, process_id: str, state: IngestionState) -> None:
        await self._fetch(
            "UPDATE ingestions SET state = $2 WHERE process_id = $1 AND state <> 'stopped'", process_id, state
        )

    async def set_paused(self, process_id: str, paused: bool, until: datetime | None = None) -> None:
        await self._fetch(
            "UPDATE ingestions SET paused = $2, "
            "paused_until = CASE WHEN paused AND paused_until IS NULL THEN NULL ELSE $3::timestamptz END "
            "WHERE process_id = $1",
            process_id, paused, until,
        )  # fmt: skip

    async def take_unsettled(self, now: datetime, until: datetime, limit: int) -> Sequence[Ingestion]:
        return [_ingestion(row) for row in await self._fetch(_TAKE_UNSETTLED, now, until, limit)]

    async def has_unsettled(self) -> bool:
        (row,) = await self._fetch("SELECT EXISTS (SELECT FROM ingestions WHERE NOT settled)")
        return bool(row[0])

    async def settle(self, process_id: str) -> None:
        await self._fetch("UPDATE ingestions SET settled = true WHERE process_id = $1", process_id)

    async def remove(self, process_id: str) -> None:
        await self._fetch("DELETE FROM ingestions WHERE process_id = $1", process_id)

    async def sent_before(self, process_id: str, numbers: Sequence[int], before: datetime) -> Sequence[Batch]:
        rows = await self._fetch(
            "SELECT * FROM batches WHERE process_id = $1 AND batch_number = ANY($2) AND sent_at < $3 "
            "ORDER BY batch_number",
            process_id, list(numbers), before,
        )  # fmt: skip
        return [_batch(row) for row in rows]


def _batch(row: Any) -> Batch:
    return Batch(
        row["batch_number"], row["first_row"], row["row_count"], row["first_line"], row["next_line"],
        row["byte_start"], row["byte_end"],
        RetriedRows(tuple(row["retried_rows"]), row["retried_first"]) if row["retried_rows"] else None,
    )  # fmt: skip


def _ingestion(row: Any) -> Ingestion:
    file = FileInfo(
        str(row["process_id"]), row["tenant"], row["upload_id"], row["file_name"], row["size_bytes"],
        row["pipeline"], row["pipeline_version"], str(row["repairs"] or ""), row["retry"],
    )  # fmt: skip
    content = None
    if row["file_key"] is not None:
        content = Content(
            row["file_key"], row["content_bytes"], row["normal_form"], row["dialect"],
            notices_from_json(row["notices"]),
        )  # fmt: skip
    layout = None
    if row["columns"] is not None:
        layout = Layout(
            tuple(row["columns"]), row["delimiter"], row["data_start"], row["data_line"], row["quote"]
        )
    return Ingestion(file, content, IngestionState(row["state"]), row["paused"], layout, row["paused_until"])
