"""Uploads and deliveries in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ingestor.access.limits.pg_quotas import give_back, hold, spend
from ingestor.access.limits.quotas import NO_LIMITS, QuotaLimits, QuotaName, check
from ingestor.access.scope import tenant, visible
from ingestor.notices import notices_from_json, notices_to_json
from ingestor.reports import OriginalTable
from ingestor.runtime.observability.tracing import current_traceparent
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.upload.ports import Deliveries, NoRoomError, ProcessRecords, Uploads
from ingestor.services.upload.uploads import Content, Delivery, Repair, Upload, UploadState
from ingestor.stores.keys import text_key

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

_ADD = """
INSERT INTO uploads (upload_id, tenant, request_id, file_name, declared_size, file_key, created_at,
                     touched_at, creator)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8) ON CONFLICT (tenant, creator, request_id) DO NOTHING RETURNING *
"""

# Compare and set: of two writers only one succeeds.
_COMMIT = """
UPDATE uploads SET committed_size = $3, touched_at = $4
WHERE upload_id = $1 AND committed_size = $2 AND state = 'open' AND tenant = $5
RETURNING committed_size, declared_size
"""

_COMPLETE = """
UPDATE uploads SET state = 'completed', process_id = $2, touched_at = $3
WHERE upload_id = $1 AND state = 'open' AND tenant = $4 RETURNING 1
"""

_ABORT = """
UPDATE uploads u SET state = 'aborted' FROM (SELECT * FROM uploads WHERE upload_id = $1 FOR UPDATE) old
WHERE u.upload_id = old.upload_id AND old.state <> 'completed' AND u.tenant = $2
RETURNING old.*
"""

_DELIVER = """
INSERT INTO deliveries (process_id, upload_id, tenant, pipeline, pipeline_version, dialect, due_at, repairs,
                        repaired_table, traceparent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

# Of the tenant with the fewest deliveries of the kind $5 at work; with $4 only of one that has none.
_TAKE = """
WITH at_work AS (
    SELECT tenant, count(*) AS number FROM deliveries
    WHERE done_at IS NULL AND lease_until >= $2 AND converts = $5
    GROUP BY tenant)
UPDATE deliveries SET lease_owner = $1, lease_until = $3, attempts = attempts + 1
WHERE process_id = (
    SELECT d.process_id FROM deliveries d LEFT JOIN at_work w USING (tenant)
    WHERE d.done_at IS NULL AND d.due_at <= $2 AND (d.lease_until IS NULL OR d.lease_until < $2)
    AND d.converts = $5 AND NOT ($4 AND w.number IS NOT NULL)
    ORDER BY coalesce(w.number, 0), d.due_at FOR UPDATE OF d SKIP LOCKED LIMIT 1)
RETURNING *
"""

_KEPT = """
SELECT count(*) AS count, coalesce(sum(committed_size), 0)::bigint AS bytes,
       (SELECT coalesce(sum(content_bytes), 0)::bigint FROM deliveries
        WHERE tenant = $1 AND content_key LIKE '%-text') AS converted
FROM uploads WHERE tenant = $1 AND state <> 'aborted'
"""

_CLOSE = """
UPDATE deliveries SET done_at = $2, lease_owner = NULL, lease_until = NULL
WHERE process_id = $1 AND done_at IS NULL AND (lease_until IS NULL OR lease_until < $2)
"""

_FILES = """
SELECT u.file_key, d.content_key FROM uploads u LEFT JOIN deliveries d USING (upload_id)
WHERE u.process_id = $1 AND $2 IN (u.tenant, '*')
"""


class PgUploads(Uploads, Deliveries, ProcessRecords):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def _row(self, query: str, *arguments: object) -> Any:
        async with transient_errors("uploads"):
            return await self._pool.fetchrow(query, *arguments)

    async def add(
        self, upload: Upload, limits: QuotaLimits = NO_LIMITS, *, room: int | None = None
    ) -> Upload:
        size = upload.declared_size
        async with transient_errors("uploads"), self._pool.transaction() as connection:
            for name in (QuotaName.OPEN_UPLOADS, QuotaName.BYTES_ANNOUNCED, QuotaName.BYTES_STORED):
                await hold(connection, name, limits)
            row = await connection.fetchrow(
                _ADD, upload.upload_id, upload.tenant, upload.request_id, upload.file_name,
                size, upload.file_key, upload.created, upload.creator,
            )  # fmt: skip
            if row is not None:
                if QuotaName.OPEN_UPLOADS in limits:
                    number = await connection.fetchval("SELECT open_uploads($1)", tenant())
                    check(QuotaName.OPEN_UPLOADS, limits, number - 1)
                announced = await connection.fetchval("SELECT announced_bytes($1)", tenant())
                check(QuotaName.BYTES_ANNOUNCED, limits, announced - size, size)
                if room is not None and (room <= 0 or announced > room):
                    raise NoRoomError(announced - size)
                await _check_stored(connection, limits, size)
                await spend(connection, QuotaName.BYTES_PER_DAY, size, limits)
        if row is None:
            row = await self._row(
                "SELECT * FROM uploads WHERE tenant = $1 AND creator = $2 AND request_id = $3",
                upload.tenant, upload.creator, upload.request_id,
            )  # fmt: skip
        return _upload(row)

    async def get(self, upload_id: str) -> Upload | None:
        row = await self._row(
            "SELECT * FROM uploads WHERE upload_id = $1 AND $2 IN (tenant, '*')", upload_id, visible()
        )
        return _upload(row) if row else None

    async def commit(
        self, upload_id: str, old: int, new: int, now: datetime, limits: QuotaLimits = NO_LIMITS
    ) -> int:
        async with transient_errors("uploads"), self._pool.transaction() as connection:
            await hold(connection, QuotaName.BYTES_STORED, limits)
            row = await connection.fetchrow(_COMMIT, upload_id, old, new, now, tenant())
            if row is not None and not row["declared_size"]:  # else counted when it was opened
                await _check_stored(connection, limits, new - old)
                await spend(connection, QuotaName.BYTES_PER_DAY, new - old, limits)
        if row is None:
            row = await self._row(
                "SELECT committed_size FROM uploads WHERE upload_id = $1 AND tenant = $2", upload_id, tenant()
            )
        return int(row["committed_size"]) if row else old

    async def complete(
        self,
        upload_id: str,
        process_id: str,
        pipeline: str,
        version: int,
        dialect: str,
        now: datetime,
        repair: Repair | None = None,
        limits: QuotaLimits = NO_LIMITS,
    ) -> str:
        async with transient_errors("uploads"), self._pool.transaction() as connection:
            await hold(connection, QuotaName.RUNNING_PROCESSES, limits)
            if not await connection.fetchval(_COMPLETE, upload_id, process_id, now, tenant()):
                found = await connection.fetchval(
                    "SELECT process_id FROM uploads WHERE upload_id = $1 AND tenant = $2", upload_id, tenant()
                )
                return str(found)
            await connection.execute(
                _DELIVER, process_id, upload_id, tenant(), pipeline, version, dialect, now,
                repair.process_id if repair else None, repair.table.to_json() if repair else None,
                current_traceparent(),
            )  # fmt: skip
            if QuotaName.RUNNING_PROCESSES in limits:
                number = await connection.fetchval("SELECT running_processes($1)", tenant())
                check(QuotaName.RUNNING_PROCESSES, limits, number - 1)
            return process_id

    async def abort(self, upload_id: str) -> bool:
        async with transient_errors("uploads"), self._pool.transaction() as connection:
            row = await connection.fetchrow(_ABORT, upload_id, tenant())
            if row is not None and row["state"] == "open":
                unsent = row["declared_size"] - row["committed_size"]
                await give_back(connection, QuotaName.BYTES_PER_DAY, unsent, row["created_at"])
        return row is not None

    async def kept(self) -> tuple[int, int, int]:
        row = await self._row(_KEPT, tenant())
        return row["count"], row["bytes"], row["converted"]

    async def abandoned(self, before: datetime, limit: int) -> Sequence[Upload]:
        async with transient_errors("uploads"):
            rows = await self._pool.fetch(
                "SELECT * FROM uploads WHERE state = 'open' AND touched_at < $1 LIMIT $2", before, limit
            )
        return [_upload(row) for row in rows]

    async def take(
        self, owner: str, now: datetime, until: datetime, *, converts: bool = False, of_idle: bool = False
    ) -> Delivery | None:
        row = await self._row(_TAKE, owner, now, until, of_idle, converts)
        if row is None:
            return None
        upload = await self.get(row["upload_id"])
        assert upload is not None, "a delivery has its upload"
        content = None
        if row["content_key"] is not None:
            content = Content(
                row["content_key"],
                row["content_bytes"],
                row["normal_form"],
                row["content_dialect"],
                notices_from_json(row["content_notices"]),
            )
        repair = None
        if row["repairs"] is not None:
            table = OriginalTable.from_json(row["repaired_table"])
            repair = Repair(str(row["repairs"]), row["pipeline"], row["pipeline_version"], table)
        return Delivery(
            str(row["process_id"]), upload, row["pipeline"], row["pipeline_version"], row["attempts"],
            row["dialect"], content, repair, row["traceparent"], row["failures"],
        )  # fmt: skip

    async def renew(self, process_id: str, owner: str, until: datetime) -> bool:
        row = await self._row(
            "UPDATE deliveries SET lease_until = $3 WHERE process_id = $1 AND lease_owner = $2 RETURNING 1",
            process_id, owner, until,
        )  # fmt: skip
        return row is not None

    async def needs_conversion(self, process_id: str, owner: str) -> None:
        await self._row(
            "UPDATE deliveries SET converts = true WHERE process_id = $1 AND lease_owner = $2",
            process_id,
            owner,
        )

    async def keep_content(self, process_id: str, owner: str, content: Content) -> None:
        await self._row(
            "UPDATE deliveries SET content_key = $3, content_bytes = $4, normal_form = $5, "
            "content_dialect = $6, content_notices = $7, converts = false "
            "WHERE process_id = $1 AND lease_owner = $2",
            process_id, owner, content.file_key, content.size, content.normal_form, content.dialect,
            notices_to_json(content.notices),
        )  # fmt: skip

    async def done(self, process_id: str, owner: str, now: datetime) -> None:
        await self._row(
            "UPDATE deliveries SET done_at = $3, lease_owner = NULL, lease_until = NULL "
            "WHERE process_id = $1 AND lease_owner = $2",
            process_id, owner, now,
        )  # fmt: skip

    async def give_back(self, process_id: str, owner: str, due: datetime, *, failed: bool = False) -> None:
        await self._row(
            "UPDATE deliveries SET due_at = $3, lease_owner = NULL, lease_until = NULL, "
            "failures = failures + $4::int WHERE process_id = $1 AND lease_owner = $2",
            process_id, owner, due, int(failed),
        )  # fmt: skip

    async def waiting(self) -> int:
        row = await self._row("SELECT count(*) AS count FROM deliveries WHERE done_at IS NULL")
        return int(row["count"])

    async def close(self, process_id: str, now: datetime) -> bool:
        await self._row(_CLOSE, process_id, now)
        open_ = await self._row(
            "SELECT 1 FROM deliveries WHERE process_id = $1 AND done_at IS NULL", process_id
        )
        return open_ is None

    async def files(self, process_id: str) -> Sequence[str]:
        row = await self._row(_FILES, process_id, visible())
        if row is None:
            return []
        # A conversion that has not finished is not recorded in the delivery.
        keys = {row["file_key"], text_key(row["file_key"]), row["content_key"]}
        return sorted(keys - {None})

    async def forget(self, process_id: str) -> None:
        await self._row(
            "DELETE FROM uploads WHERE process_id = $1 AND $2 IN (tenant, '*')", process_id, visible()
        )


async def _check_stored(connection: PgConnection, limits: QuotaLimits, size: int) -> None:
    """Check that the file store has a place for these bytes, which are counted already."""
    if QuotaName.BYTES_STORED in limits:
        stored = await connection.fetchval("SELECT stored_bytes($1)", tenant())
        check(QuotaName.BYTES_STORED, limits, stored - size, size)


def _upload(row: Any) -> Upload:
    return Upload(
        str(row["upload_id"]), row["tenant"], row["request_id"], row["file_name"], row["declared_size"],
        row["file_key"], UploadState(row["state"]), row["committed_size"],
        str(row["process_id"]) if row["process_id"] else None, row["created_at"], row["creator"],
    )  # fmt: skip
