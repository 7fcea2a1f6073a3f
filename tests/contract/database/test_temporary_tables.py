"""Sessions with temporary tables leave nothing behind, however they end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ingestor.access.scope import everything
from ingestor.runtime.errors import TransientError
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.processor.adapters.temporary_tables import session_of_its_own

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool
    from tests.contract.conftest import OpenPool

PATIENCE = 60.0  # the statement would run for ever


async def begun(pool: PgPool, pid: int) -> bool:
    """Whether the process of PostgreSQL has a statement that sleeps."""
    return bool(
        await pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", pid
        )
    )


async def until(pool: PgPool, pid: int, *, sleeps: bool) -> None:
    """Wait until the statement has begun, or is gone."""
    async with asyncio.timeout(PATIENCE):
        while await begun(pool, pid) is not sleeps:
            await asyncio.sleep(0.05)  # between two looks


async def test_the_tables_are_dropped(pool_of: OpenPool) -> None:
    pool = await pool_of("processor")
    with everything():
        async with session_of_its_own(pool, "a test", 10) as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            await connection.execute("CREATE TEMPORARY TABLE left_over (id bigint)")
        async with pool.session() as connection:
            assert await connection.fetchval("SELECT pg_backend_pid()") == pid  # the pool has it again
            assert await connection.fetchval("SELECT to_regclass('pg_temp.left_over')") is None
            shown = await connection.fetchval("SHOW client_connection_check_interval")
            assert shown == "0"


async def test_a_cancelled_statement_ends(pool_of: OpenPool) -> None:
    pool = await pool_of("processor")
    started = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with session_of_its_own(pool, "a test", 10) as connection:
            started.set_result(await connection.fetchval("SELECT pg_backend_pid()"))
            await connection.execute("SELECT pg_sleep(3600)")

    with everything():
        working = asyncio.create_task(work())
        pid = await started
        await until(pool, pid, sleeps=True)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        await until(pool, pid, sleeps=False)


async def test_a_statement_ends_with_its_connection(pool_of: OpenPool) -> None:
    """As when the machine of the service is gone: nobody cancels the statement."""
    pool = await pool_of("processor")
    with everything():
        with pytest.raises(TransientError):
            async with session_of_its_own(pool, "a test", 10) as connection, transient_errors("sink"):
                pid = await connection.fetchval("SELECT pg_backend_pid()")
                running = asyncio.create_task(connection.execute("SELECT pg_sleep(3600)"))
                await until(pool, pid, sleeps=True)
                connection.terminate()
                await running
        await until(pool, pid, sleeps=False)
