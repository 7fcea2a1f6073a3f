"""Pipelines in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingestor.runtime.postgres import transient_errors
from services.processor.ports import StoredPipeline

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool

_TENANT = "default"
_LATEST = """
SELECT DISTINCT ON (name) name, version, document, canonical, created_at FROM pipelines
WHERE tenant = $1 AND name > $2 ORDER BY name, version DESC LIMIT $3
"""


class PgPipelines:
    """See PipelineStore."""

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def add(self, name: str, document: str, canonical: str) -> tuple[StoredPipeline, bool]:
        """See PipelineStore."""
        async with (
            transient_errors("pipelines"),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            lock = f"ingestor:pipeline:{_TENANT}:{name}"
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", lock)
            latest = await connection.fetchrow(
                "SELECT * FROM pipelines WHERE tenant = $1 AND name = $2 ORDER BY version DESC LIMIT 1",
                _TENANT, name,
            )  # fmt: skip
            if latest and latest["canonical"] == canonical:
                return _stored(latest), False
            made = await connection.fetchrow(
                "INSERT INTO pipelines (tenant, name, version, document, canonical) "
                "VALUES ($1, $2, $3, $4, $5) RETURNING *",
                _TENANT, name, (latest["version"] if latest else 0) + 1, document, canonical,
            )  # fmt: skip
            return _stored(made), True

    async def get(self, name: str, version: int | None) -> StoredPipeline | None:
        """See PipelineStore."""
        async with transient_errors("pipelines"):
            found = await self._pool.fetchrow(
                "SELECT * FROM pipelines WHERE tenant = $1 AND name = $2 "
                "AND ($3::integer IS NULL OR version = $3) ORDER BY version DESC LIMIT 1",
                _TENANT, name, version,
            )  # fmt: skip
        return _stored(found) if found else None

    async def list(self, after: str, limit: int) -> Sequence[StoredPipeline]:
        """See PipelineStore."""
        async with transient_errors("pipelines"):
            return [_stored(row) for row in await self._pool.fetch(_LATEST, _TENANT, after, limit)]


def _stored(row: Any) -> StoredPipeline:
    return StoredPipeline(row["name"], row["version"], row["document"], row["created_at"])
