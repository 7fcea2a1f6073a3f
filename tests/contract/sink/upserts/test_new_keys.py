"""Upserts of new keys, which get into the table without a look at what is there, unless a key turns out to be
known."""

from __future__ import annotations

import asyncio

import pytest

from ingestor.runtime.postgres.pool import PgPool
from ingestor.services.processor.adapters.postgres.loading import Loading
from ingestor.services.processor.adapters.postgres.upserts.new_keys import NewKeys
from tests.contract.sink.test_undo import PgEnds, names, put, undo


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the rows of each part of a batch that goes through a stage."""
    found: list[int] = []
    stage = Loading._stage

    async def noting(self: Loading, encoded: object) -> None:
        found.append(len(self._rows.row_numbers))
        await stage(self, encoded)  # type: ignore[arg-type]

    monkeypatch.setattr(Loading, "_stage", noting)
    return found


async def test_it_looks_only_as_long_as_keys_are_known(pool: PgPool, staged: list[int]) -> None:
    ends = PgEnds(pool)
    await put(ends, 1, [(1, "a"), (2, "b")])
    assert staged == []
    await put(ends, 2, [(2, "c"), (3, "d")])
    await put(ends, 2, [(3, "e"), (4, "f")], batch=2)
    await put(ends, 2, [(5, "g")], batch=3)  # all new again
    assert staged == [2, 2, 1]
    await put(ends, 2, [(6, "h"), (7, "i")], batch=4)
    assert staged == [2, 2, 1]
    assert await names(ends) == {1: "a", 2: "c", 3: "e", 4: "f", 5: "g", 6: "h", 7: "i"}
    assert await undo(ends, 2) == (5, 1, 0)
    assert await names(ends) == {1: "a", 2: "b"}


async def test_the_last_row_of_a_key_within_a_batch_wins(pool: PgPool, staged: list[int]) -> None:
    ends = PgEnds(pool)
    await put(ends, 1, [(1, "a"), (2, "b"), (1, "c")])
    assert staged == [3]
    assert await names(ends) == {1: "c", 2: "b"}


async def test_a_trigger_is_asked(pool: PgPool, staged: list[int]) -> None:
    ends = PgEnds(pool)
    await pool.execute(
        "CREATE TABLE public.people (id bigint PRIMARY KEY, name text, _row_number bigint, _process_id uuid);"
        "CREATE FUNCTION public.leave_out() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN CASE WHEN NEW.id <> 1 THEN NEW END; END';"
        "CREATE TRIGGER t BEFORE INSERT ON public.people FOR EACH ROW EXECUTE FUNCTION public.leave_out()"
    )
    await put(ends, 1, [(1, "a"), (2, "b")])
    assert staged == [2]
    assert await names(ends) == {2: "b"}


async def test_it_waits_for_nobody_who_may_wait_for_it(pool: PgPool) -> None:
    """Another transaction loads the same keys in their order, and this batch has them in another one."""
    ends = PgEnds(pool)
    await put(ends, 1, [(0, "x")])
    insert = "INSERT INTO public.people VALUES ($1, 'other', NULL, $2)"
    nobody = "00000000-0000-0000-0000-000000000000"
    await pool.execute("ALTER TABLE public.people ALTER _row_number DROP NOT NULL")
    async with pool.transaction() as other:
        await other.execute(insert, 1, nobody)
        loading = asyncio.create_task(put(ends, 2, [(2, "ours"), (1, "ours")]))
        while not await pool.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
            assert not loading.done()
        await other.execute(insert, 2, nobody)
    await loading
    assert await names(ends) == {0: "x", 1: "ours", 2: "ours"}
    assert await undo(ends, 2) == (0, 2, 0)
    assert await names(ends) == {0: "x", 1: "other", 2: "other"}


def test_what_is_remembered_is_bounded() -> None:
    keys = NewKeys()
    for number in range(5000):
        keys.note("default", str(number), new=False)
    assert not keys.expected("default", "4999")
    assert len(keys._known) <= 1000
