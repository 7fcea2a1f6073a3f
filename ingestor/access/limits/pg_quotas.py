"""Quotas in PostgreSQL: limits, what is used of them, and how a place is taken so that two cannot take the
last one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ingestor.access.authenticator import Remembered
from ingestor.access.limits.quotas import (
    DAILY,
    NO_LIMITS,
    QuotaExceededError,
    QuotaLimits,
    QuotaName,
    Quotas,
    QuotaUse,
    QuotaUses,
    next_day,
)
from ingestor.access.limits.streams import StreamPlaces
from ingestor.access.scope import tenant
from ingestor.runtime.postgres.errors import transient_errors

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

_REMEMBERED_SECONDS = 10.0

_LIMITS = "SELECT name, max_value FROM access.quotas WHERE tenant = $1"

# What is used: of the day, and what the services count in their own tables.
_USED = """
SELECT name, used FROM access.usage WHERE tenant = $1 AND day = (now() AT TIME ZONE 'UTC')::date
UNION ALL SELECT * FROM access.usage_of_upload($1)
UNION ALL SELECT * FROM access.usage_of_orchestrator($1)
UNION ALL SELECT * FROM access.usage_of_processor($1)
"""

_USED_TODAY = """
SELECT used FROM access.usage
WHERE tenant = $1 AND name = $2 AND day = (now() AT TIME ZONE 'UTC')::date
"""

# Adds to what is used today, unless that would be more than the limit ($4).
_SPEND = """
INSERT INTO access.usage AS u (tenant, day, name, used)
SELECT $1, (now() AT TIME ZONE 'UTC')::date, $2, $3::bigint WHERE $3::bigint <= coalesce($4::bigint, $3)
ON CONFLICT (tenant, day, name) DO UPDATE SET used = u.used + excluded.used
WHERE u.used + excluded.used <= coalesce($4::bigint, u.used + excluded.used)
RETURNING used
"""

_GIVE_BACK = """
UPDATE access.usage SET used = greatest(0, used - $3)
WHERE tenant = $1 AND name = $2 AND day = ($4::timestamptz AT TIME ZONE 'UTC')::date
"""

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:quota:' || $1 || ':' || $2, 0))"


_SET = """
INSERT INTO access.quotas (tenant, name, max_value) VALUES ($1, $2, $3)
ON CONFLICT (tenant, name) DO UPDATE SET max_value = excluded.max_value
"""
_UNSET = "DELETE FROM access.quotas WHERE tenant = $1 AND name = $2"


class PgQuotas(Quotas, QuotaUses):
    def __init__(
        self,
        pool: PgPool,
        streams: StreamPlaces,
        clock: Callable[[], float] = time.monotonic,
        defaults: QuotaLimits = NO_LIMITS,
    ) -> None:
        """`defaults` are for tenants without a limit of their own."""
        self._pool = pool
        self._defaults = defaults
        self._streams = streams
        self._limits = Remembered[str, QuotaLimits](_REMEMBERED_SECONDS, clock)

    async def limits(self) -> QuotaLimits:
        return await self._limits.get(tenant(), self._read_limits)

    async def _read_limits(self) -> QuotaLimits:
        async with transient_errors("quotas"):
            rows = await self._pool.fetch(_LIMITS, tenant())
        known = {QuotaName(row["name"]): row["max_value"] for row in rows if row["name"] in set(QuotaName)}
        return {**self._defaults, **known}

    async def check_rows(self) -> None:
        name = QuotaName.ROWS_PER_DAY
        if (limit := (await self.limits()).get(name)) is not None:
            async with transient_errors("quotas"):
                used = int(await self._pool.fetchval(_USED_TODAY, tenant(), name) or 0)
            if used >= limit:
                raise QuotaExceededError(name, limit, used, 0)

    async def all(self) -> Sequence[QuotaUse]:
        limits = await self._read_limits()
        async with transient_errors("quotas"):
            used = {row["name"]: row["used"] for row in await self._pool.fetch(_USED, tenant())}
        used[QuotaName.STREAMS] = self._streams.used(tenant())
        day = next_day()
        return [
            QuotaUse(name, limits.get(name), used.get(name, 0), day if name in DAILY else None)
            for name in QuotaName
        ]


async def hold(connection: PgConnection, name: QuotaName, limits: QuotaLimits) -> None:
    """Let no other transaction of the tenant take a place of this quota until this one ends; nothing when it
    has no limit. Counts that follow in this transaction are exact."""
    if name in limits:
        await connection.execute(_LOCK, tenant(), name)


async def spend(connection: PgConnection, name: QuotaName, amount: int, limits: QuotaLimits) -> None:
    """Count what is used of today's quota. Raises QuotaExceededError when it does not fit."""
    if amount <= 0:
        return
    limit = limits.get(name)
    if await connection.fetchval(_SPEND, tenant(), name, amount, limit) is None:
        assert limit is not None, "without a limit everything fits"
        used = await connection.fetchval(_USED_TODAY, tenant(), name) or 0
        raise QuotaExceededError(name, limit, used, amount)


async def give_back(connection: PgConnection, name: QuotaName, amount: int, counted: datetime) -> None:
    """Take back what was counted on the day of `counted` and was not used."""
    if amount > 0:
        await connection.execute(_GIVE_BACK, tenant(), name, amount, counted)


async def set_limits(connection: PgConnection, of: str, limits: Mapping[str, int | None]) -> None:
    """Set limits of a tenant; None takes a limit away, and those that are not named stay."""
    for name, limit in limits.items():
        if limit is None:
            await connection.execute(_UNSET, of, name)
        else:
            await connection.execute(_SET, of, name, limit)
