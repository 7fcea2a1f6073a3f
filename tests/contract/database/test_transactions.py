"""What a transaction or a session sets ends with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from ingestor.runtime.postgres.pool import PgPool, open_pool

LOCK = "SELECT pg_try_advisory_lock(7)"
SETTING = "SELECT current_setting('ingestor.test', true)"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[PgPool]:
    """A pool of one connection; its transactions begin with a setting."""
    async with open_pool(
        database_url,
        service="test",
        schema="public",
        size=1,
        prepare=lambda: "SET LOCAL ingestor.test = 'on'",
    ) as made:
        await made.execute("CREATE TABLE kept (number integer)")
        yield made


async def test_a_transaction_begins_with_its_settings_and_leaves_none(pool: PgPool) -> None:
    assert await pool.fetchval(SETTING) == "on"
    both = pool.beginning("SET LOCAL enable_seqscan = off")
    assert await both.fetchval(SETTING) == "on"
    assert await both.fetchval("SHOW enable_seqscan") == "off"
    async with pool.acquire() as connection:
        assert not await connection.fetchval(SETTING)
        assert await connection.fetchval("SHOW enable_seqscan") == "on"


async def test_an_error_undoes_a_transaction(pool: PgPool) -> None:
    with pytest.raises(ZeroDivisionError):
        async with pool.transaction() as connection:
            await connection.execute("INSERT INTO kept VALUES (1)")
            raise ZeroDivisionError
    with pytest.raises(asyncpg.DivisionByZeroError):
        await pool.execute("INSERT INTO kept VALUES (1 / 0)")
    await pool.execute("INSERT INTO kept VALUES (2)")
    assert [row["number"] for row in await pool.fetch("SELECT number FROM kept")] == [2]


async def test_a_cancelled_transaction_is_undone(pool: PgPool) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with pool.transaction() as connection:
            await connection.execute("INSERT INTO kept VALUES (1)")
            begun.set()
            await connection.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await pool.fetchval("SELECT count(*) FROM kept") == 0


@pytest.mark.parametrize("error", [None, ValueError(), asyncio.CancelledError()])
async def test_a_session_leaves_no_lock_and_no_setting(
    pool: PgPool, database_url: str, error: BaseException | None
) -> None:
    other = await asyncpg.connect(database_url)
    try:
        with pytest.raises(type(error)) if error else contextlib.nullcontext():
            async with pool.session() as connection:
                await connection.execute("SET ingestor.test = 'left'")
                assert await connection.fetchval(LOCK)
                assert not await other.fetchval(LOCK)
                if error:
                    raise error
        async with pool.session() as connection:
            assert not await connection.fetchval(SETTING)
            # A connection that is ended gives its lock back a moment later.
            await asyncio.wait_for(other.fetchval("SELECT pg_advisory_lock(7)"), 30)
    finally:
        await other.close()
