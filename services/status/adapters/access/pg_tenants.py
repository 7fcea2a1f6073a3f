"""Tenants and their limits in PostgreSQL, for admins of the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ingestor.access.limits.pg_quotas import set_limits
from ingestor.access.scope import everything
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.status.access.ports import TenantInfo, Tenants

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

_TENANT = """
SELECT t.name, t.created_at, array_agg(q.name ORDER BY q.name) FILTER (WHERE q.name IS NOT NULL) AS quotas,
       array_agg(q.max_value ORDER BY q.name) FILTER (WHERE q.name IS NOT NULL) AS limits
FROM (SELECT * FROM access.tenants WHERE removed_at IS NULL AND {where} ORDER BY name LIMIT $2) t
LEFT JOIN access.quotas q ON q.tenant = t.name GROUP BY t.name, t.created_at ORDER BY t.name
"""
_LIST = _TENANT.format(where="name > $1")
_GET = _TENANT.format(where="name = $1")


class PgTenants(Tenants):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def list(self, after: str, limit: int) -> Sequence[TenantInfo]:
        with everything():
            async with transient_errors("access"):
                return [_tenant(row) for row in await self._pool.fetch(_LIST, after, limit)]

    async def set_limits(self, tenant: str, limits: Mapping[str, int | None]) -> TenantInfo | None:
        with everything():
            async with transient_errors("access"), self._pool.transaction() as connection:
                if await connection.fetchrow(_GET, tenant, 1) is None:
                    return None
                await set_limits(connection, tenant, limits)
                return _tenant(await connection.fetchrow(_GET, tenant, 1))


def _tenant(row: Any) -> TenantInfo:
    return TenantInfo(
        row["name"], row["created_at"], dict(zip(row["quotas"] or (), row["limits"] or (), strict=True))
    )
