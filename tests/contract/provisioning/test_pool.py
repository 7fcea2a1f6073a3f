"""What transactions of a pool do."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

import asyncpg
import pytest

from ingestor.access.scope import NoScopeError, everything, within

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool

INSERT = "INSERT INTO pipelines (tenant, name, version, document, canonical) VALUES ($1, 'p', 1, 'x', 'x')"


async def test_a_transaction_sees_its_tenant(pool_of: OpenPool) -> None:
    pool = await pool_of("orchestrator")
    await pool.execute(INSERT, "default")
    with within("acme"):
        assert await pool.fetchval("SELECT count(*) FROM pipelines") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(INSERT, "default")
    with everything():
        assert await pool.fetchval("SELECT count(*) FROM pipelines") == 1
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM pipelines") == 0


async def test_without_a_scope_there_is_no_transaction(pool_of: OpenPool) -> None:
    pool = await pool_of("orchestrator")

    async def ask() -> None:
        with pytest.raises(NoScopeError):
            await pool.fetchval("SELECT 1")

    await asyncio.get_running_loop().create_task(ask(), context=contextvars.Context())


async def test_a_statement_outlives_a_migration(pool_of: OpenPool, database_url: str) -> None:
    pool = await pool_of("orchestrator")
    await pool.execute(INSERT, "default")
    query = "SELECT * FROM pipelines"
    assert len((await pool.fetch(query))[0]) == 6
    owner = await asyncpg.connect(database_url)
    await owner.execute("ALTER TABLE orchestrator.pipelines ADD COLUMN more text")
    await owner.close()
    assert len((await pool.fetch(query))[0]) == 7
