"""Pipelines in PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingestor.access.limits.pg_quotas import hold
from ingestor.access.limits.pipelines import only_pipelines
from ingestor.access.limits.quotas import NO_LIMITS, QuotaLimits, QuotaName, check
from ingestor.access.scope import tenant
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.orchestrator.ports import PipelineStore, StoredPipeline

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

_LATEST = """
SELECT DISTINCT ON (name) name, version, document, canonical, created_at FROM pipelines p
WHERE tenant = $1 AND name > $2 AND ($4::text[] IS NULL OR name = ANY($4))
AND NOT EXISTS (SELECT FROM deleted_pipelines d WHERE d.tenant = p.tenant AND d.name = p.name)
AND ($5::bytea IS NULL OR name IN (SELECT pipeline FROM loaded_columns WHERE tenant = $1 AND digest = $5))
ORDER BY name, version DESC LIMIT $3
"""
# A deleted pipeline keeps its versions, but has no latest one.
_GET = """
SELECT * FROM pipelines p WHERE tenant = $1 AND name = $2 AND CASE WHEN $3::bigint IS NULL
THEN NOT EXISTS (SELECT FROM deleted_pipelines d WHERE d.tenant = p.tenant AND d.name = p.name)
ELSE version = $3 END ORDER BY version DESC LIMIT 1
"""
_VERSIONS = """
SELECT * FROM pipelines WHERE tenant = $1 AND name = $2 AND ($3::bigint IS NULL OR version < $3)
ORDER BY version DESC LIMIT $4
"""
# Pipelines that are not deleted, without one.
_COUNT = """
SELECT count(DISTINCT p.name) FROM pipelines p WHERE p.tenant = $1 AND p.name <> $2
AND NOT EXISTS (SELECT FROM deleted_pipelines d WHERE d.tenant = p.tenant AND d.name = p.name)
"""
_DELETE = """
INSERT INTO deleted_pipelines (tenant, name)
SELECT DISTINCT tenant, name FROM pipelines WHERE tenant = $1 AND name = $2
ON CONFLICT (tenant, name) DO NOTHING
"""
# Each pipeline keeps the latest $4; the deletion does not see what is added.
_LOADED = """
WITH added AS (
    INSERT INTO loaded_columns (tenant, digest, pipeline) VALUES ($1, $2, $3)
    ON CONFLICT (tenant, digest, pipeline) DO UPDATE SET loaded_at = now())
DELETE FROM loaded_columns WHERE (tenant, pipeline) = ($1, $3) AND digest <> $2 AND loaded_at <= (
    SELECT loaded_at FROM loaded_columns WHERE (tenant, pipeline) = ($1, $3) AND digest <> $2
    ORDER BY loaded_at DESC OFFSET $4 - 1 LIMIT 1)
"""
_MOST_REMEMBERED = 1000


class PgPipelines(PipelineStore):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def add(
        self, name: str, document: str, canonical: str, limits: QuotaLimits = NO_LIMITS
    ) -> tuple[StoredPipeline, bool]:
        async with transient_errors("pipelines"), self._pool.transaction() as connection:
            await hold(connection, QuotaName.PIPELINES, limits)
            await _lock(connection, name)
            restored = await connection.fetchval(
                "DELETE FROM deleted_pipelines WHERE tenant = $1 AND name = $2 RETURNING 1", tenant(), name
            )
            latest = await connection.fetchrow(
                "SELECT * FROM pipelines WHERE tenant = $1 AND name = $2 ORDER BY version DESC LIMIT 1",
                tenant(), name,
            )  # fmt: skip
            if latest and latest["canonical"] == canonical and not restored:
                return _stored(latest), False
            if QuotaName.PIPELINES in limits and (latest is None or restored):
                check(QuotaName.PIPELINES, limits, await connection.fetchval(_COUNT, tenant(), name))
            added = await connection.fetchrow(
                "INSERT INTO pipelines (tenant, name, version, document, canonical) "
                "VALUES ($1, $2, $3, $4, $5) RETURNING *",
                tenant(), name, (latest["version"] if latest else 0) + 1, document, canonical,
            )  # fmt: skip
            return _stored(added), True

    async def get(self, name: str, version: int | None) -> StoredPipeline | None:
        async with transient_errors("pipelines"):
            found = await self._pool.fetchrow(_GET, tenant(), name, version)
        return _stored(found) if found else None

    async def list(self, after: str, limit: int, columns: Sequence[str] = ()) -> Sequence[StoredPipeline]:
        only = only_pipelines()
        digest = _digest(columns) if columns else None
        arguments = (tenant(), after, limit, None if only is None else list(only), digest)
        async with transient_errors("pipelines"):
            return [_stored(row) for row in await self._pool.fetch(_LATEST, *arguments)]

    async def loaded(self, name: str, columns: Sequence[str]) -> None:
        async with transient_errors("pipelines"):
            await self._pool.execute(_LOADED, tenant(), _digest(columns), name, _MOST_REMEMBERED)

    async def count(self) -> int:
        async with transient_errors("pipelines"):
            return int(await self._pool.fetchval(_COUNT, tenant(), ""))

    async def versions(self, name: str, before: int | None, limit: int) -> Sequence[StoredPipeline]:
        async with transient_errors("pipelines"):
            found = await self._pool.fetch(_VERSIONS, tenant(), name, before, limit)
        return [_stored(row) for row in found]

    async def delete(self, name: str) -> None:
        async with transient_errors("pipelines"), self._pool.transaction() as connection:
            await _lock(connection, name)
            await connection.execute(_DELETE, tenant(), name)


def _digest(columns: Sequence[str]) -> bytes:
    labels = sorted(label for label in columns if label)
    return hashlib.sha256(json.dumps(labels).encode()).digest()


async def _lock(connection: PgConnection, name: str) -> None:
    """Let only one transaction change the pipeline."""
    lock = f"ingestor:pipeline:{tenant()}:{name}"
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", lock)


def _stored(row: Any) -> StoredPipeline:
    return StoredPipeline(row["name"], row["version"], row["document"], row["created_at"])
