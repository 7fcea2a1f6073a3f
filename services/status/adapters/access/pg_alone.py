"""Changes of a tenant that must not run at the same time, such as those that count."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ingestor.access.scope import tenant

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool


@asynccontextmanager
async def alone(pool: PgPool, what: str) -> AsyncIterator[PgConnection]:
    """A transaction that excludes others of the tenant in scope for the same purpose."""
    async with pool.transaction() as connection:
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"ingestor:access:{what}:{tenant()}"
        )
        yield connection
