"""A table that another session holds is waited for a moment, then left alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ingestor.services.processor.adapters import table_locks
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.ports import Table, TableLockedError
from tests.contract.sink.batches import PEOPLE, concluding, good, key

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

OTHER = Table("public", "others", PEOPLE.columns, ("id",))


async def load(sink: PgSink, table: Table = PEOPLE) -> None:
    """Load a batch of its own."""
    of = key()
    applied = await sink.load(of, good(of, [(1, "a"), (2, "b"), (3, "c")], table), concluding(of))
    assert applied.outcome


@pytest.mark.parametrize("mode", ["ACCESS EXCLUSIVE", "SHARE"])
async def test_a_locked_table_is_left_alone(pool: PgPool, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setattr(table_locks, "_PATIENCE", "500ms")
    monkeypatch.setattr(table_locks, "_NO_PATIENCE", "1ms")
    sink, new = PgSink(pool), PgSink(pool)  # one that knows the table, and one that does not
    await load(sink)
    async with pool.transaction() as other:
        await other.execute(f"LOCK TABLE public.people IN {mode} MODE")
        for each in (sink, new):
            with pytest.raises(TableLockedError, match=r"table public\.people is locked by another"):
                await load(each)
        monkeypatch.setattr(table_locks, "_PATIENCE", "1h")
        async with asyncio.timeout(60):  # it does not wait as long as for the first time
            with pytest.raises(TableLockedError):
                await load(sink)
            await load(sink, OTHER)
    await load(sink)
    await load(new)


async def test_what_comes_after_the_lock_has_no_time_limit(pool: PgPool) -> None:
    async with pool.transaction() as connection:
        usual = await connection.fetchval("SHOW lock_timeout")
        await connection.execute("CREATE TABLE people (id bigint)")
        async with table_locks.TableLocks().patience(connection, "default", PEOPLE):
            assert await connection.fetchval("SHOW lock_timeout") == "3s"
        assert await connection.fetchval("SHOW lock_timeout") == usual == "0"
