"""API keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ingestor.access.roles import known_roles
from ingestor.access.scope import tenant
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.status.access.ports import ApiKey, Keys, NewKey
from ingestor.services.status.adapters.access.pg_alone import alone

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

_LIST = """
SELECT * FROM access.api_keys
WHERE tenant = $1 AND ($2::timestamptz IS NULL OR (created_at, prefix) < ($2, $3::text))
ORDER BY created_at DESC, prefix DESC LIMIT $4
"""
_COUNT = "SELECT count(*) FROM access.api_keys WHERE tenant = $1 AND revoked_at IS NULL"
_CREATE = """
INSERT INTO access.api_keys (tenant, prefix, sha256, name, roles, pipelines, creator, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *
"""
_REVOKE = """
UPDATE access.api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE tenant = $1 AND prefix = $2 RETURNING *
"""


class PgKeys(Keys):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def list(self, before: tuple[datetime, str] | None, limit: int) -> Sequence[ApiKey]:
        async with transient_errors("access"):
            rows = await self._pool.fetch(_LIST, tenant(), *(before or (None, None)), limit)
        return [_key(row) for row in rows]

    async def create(self, key: NewKey, most: int) -> ApiKey | None:
        async with transient_errors("access"), alone(self._pool, "keys") as connection:
            if await connection.fetchval(_COUNT, tenant()) >= most:
                return None
            made = await connection.fetchrow(
                _CREATE, tenant(), key.prefix, key.sha256, key.name, sorted(key.roles), list(key.pipelines),
                key.creator, key.expires,
            )  # fmt: skip
        return _key(made)

    async def revoke(self, prefix: str) -> ApiKey | None:
        async with transient_errors("access"):
            found = await self._pool.fetchrow(_REVOKE, tenant(), prefix)
        return _key(found) if found else None


def _key(row: Any) -> ApiKey:
    return ApiKey(
        row["prefix"], row["name"], known_roles(row["roles"]), tuple(row["pipelines"]), row["creator"],
        row["created_at"], row["expires_at"], row["last_used_at"], row["revoked_at"],
    )  # fmt: skip
