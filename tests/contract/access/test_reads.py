"""What callers' reads may take of the database, with a real one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from ingestor.access.limits.reads import Reads, ReadTooLongError, ending, reads_of
from ingestor.access.scope import within
from ingestor.runtime.errors import UnavailableError
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.runtime.postgres.pool import open_pool
from tests.conftest import OpenDatabase, service_dsn

SECONDS = 0.5


@pytest.fixture
async def reads(open_database: OpenDatabase) -> AsyncIterator[Reads]:
    """Two connections, the last of which is for a tenant that has none."""
    dsn = service_dsn(await open_database(), "status")
    async with open_pool(dsn, service="status", schema="status", size=2, prepare=ending(SECONDS)) as pool:
        yield Reads(pool, 2, SECONDS)


async def test_a_statement_has_so_much_time(reads: Reads) -> None:
    began = time.monotonic()
    with pytest.raises(ReadTooLongError, match=r"took more than 0\.5 seconds") as refused:
        async with transient_errors("ledger"), reads.place() as pool:
            await pool.fetch("SELECT pg_sleep(60)")
    assert SECONDS <= time.monotonic() - began < 10
    assert refused.value.reason == "READ_TOO_LONG"
    async with reads.place() as pool:
        assert await pool.fetchval("SELECT 1") == 1, "the place is free, and the connection is whole"


async def test_a_tenant_does_not_take_every_place(reads: Reads) -> None:
    async with reads.place():
        with pytest.raises(UnavailableError) as refused:
            async with reads.place():
                pass
        assert (refused.value.reason, refused.value.retry_seconds) == ("TOO_MANY_READS", SECONDS)
        with within("acme"):
            async with reads.place() as pool:
                assert await pool.fetchval("SELECT 1") == 1


async def test_a_tenant_has_half_of_the_places(reads: Reads) -> None:
    async with reads.place() as pool:
        places = Reads(pool, 4, SECONDS)
        async with places.place(), places.place():
            with pytest.raises(UnavailableError, match="Too much is being searched"):
                async with places.place():
                    pass


async def test_a_read_takes_one_processor(reads: Reads) -> None:
    async with reads.place() as pool:
        assert await pool.fetchval("SHOW max_parallel_workers_per_gather") == "0"


async def test_who_waits_comes_next(reads: Reads) -> None:
    began, end = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with reads.place():
            began.set()
            await end.wait()

    holder = asyncio.create_task(hold())
    await began.wait()
    asyncio.get_running_loop().call_later(SECONDS / 10, end.set)
    async with reads.place() as pool:
        assert end.is_set() and await pool.fetchval("SELECT 1") == 1
    await holder


def test_most_connections_are_for_writing() -> None:
    assert [reads_of(size) for size in (2, 3, 5, 10, 20)] == [1, 1, 2, 4, 8]
