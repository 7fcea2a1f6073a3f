"""Undo: a table becomes what it would be if the process had never been, whatever came when; and what was
undone or removed has no effect any more."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from ingestor.access.scope import row_security
from ingestor.outcomes import RowError
from ingestor.runtime.postgres.pool import PgPool
from ingestor.services.processor.adapters.postgres.markers import PgProcessRecords
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.postgres.undo import PgUndo
from ingestor.services.processor.adapters.postgres.upserts import upsert
from ingestor.services.processor.batches import BatchKey, BatchOutcome, failed_outcome, unprocessed_outcome
from ingestor.services.processor.ports import (
    TABLE_SINK,
    ForeignKey,
    Loaded,
    Table,
    UndoCounts,
    UndoImpossibleError,
    Undone,
)
from tests.contract.sink.batches import concluding, good, key
from tests.fakes.sink import MemorySink

COLUMNS = (("id", "bigint"), ("name", "text"))
APPEND = Table("public", "people", COLUMNS, ("id",))
UPSERT = Table("public", "people", COLUMNS, ("id",), upsert=True)
NOTES = Table("public", "notes", COLUMNS, ())
Values = Sequence[tuple[int | None, str | None]]


def process(number: int) -> str:
    """The processes of a test: a higher number is a later one."""
    return str(uuid.UUID(int=number))


class PgEnds:
    """A sink, its undo and its removal in PostgreSQL."""

    def __init__(self, pool: PgPool) -> None:
        self.pool = pool
        self.sink, self.undo = PgSink(pool), PgUndo(pool, pool)
        # The service removes them as itself, not as a tenant.
        self.records = PgProcessRecords(PgPool(pool.connections, row_security))

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        """The table."""
        if not await self.pool.fetchval("SELECT to_regclass($1)", f"public.{table.name}"):
            return []
        found = await self.pool.fetch(f"SELECT row_to_json(t) FROM public.{table.name} t")
        return [json.loads(row[0]) for row in found]

    async def counts(self) -> tuple[int, int]:
        """Markers, and rows that are kept to be set back."""
        markers = await self.pool.fetchval("SELECT count(*) FROM processor.applied_batches")
        return int(markers), int(await self.pool.fetchval("SELECT count(*) FROM processor.replaced_rows"))


class MemoryEnds:
    """The same in memory."""

    def __init__(self) -> None:
        self.sink = self.undo = self.records = MemorySink()

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        """The table."""
        return [dict(row) for row in self.sink.tables.get(table.name, [])]


Ends = PgEnds | MemoryEnds


@pytest.fixture(params=["postgres", "memory"])
def ends(request: pytest.FixtureRequest) -> Ends:
    """Both."""
    return PgEnds(request.getfixturevalue("pool")) if request.param == "postgres" else MemoryEnds()


async def load(ends: Ends, of: BatchKey, values: Values, table: Table = UPSERT) -> BatchOutcome | None:
    """Load rows; the outcome."""
    return (await ends.sink.load(of, good(of, values, table), concluding(of))).outcome


async def put(ends: Ends, number: int, values: Values, table: Table = UPSERT, batch: int = 1) -> None:
    """Load a batch of 100 rows at most of a process."""
    await load(ends, key(batch, rows=100, process=process(number)), values, table)


async def undo(ends: Ends, number: int, table: Table = UPSERT, *, dry: bool = False) -> tuple[int, int, int]:
    """Undo a process: removed, restored, kept."""
    made = await ends.undo.undo(Loaded(process(number), "default", (), table, TABLE_SINK), dry_run=dry)
    return made.removed, made.restored, made.kept


async def names(ends: Ends, table: Table = UPSERT) -> dict[Any, str]:
    """name by id."""
    return {row["id"]: row["name"] for row in await ends.rows(table)}


@pytest.mark.parametrize("table", [APPEND, NOTES])
async def test_rows_that_were_added_go(ends: Ends, table: Table) -> None:
    await put(ends, 1, [(1, "a"), (2, "b")], table)
    await put(ends, 2, [(3, "c")], table)
    await put(ends, 2, [(4, "d")], table, batch=2)
    assert await undo(ends, 2, table, dry=True) == (2, 0, 0)
    assert await names(ends, table) == {1: "a", 2: "b", 3: "c", 4: "d"}
    assert await ends.undo.undone(process(2)) is None
    assert await undo(ends, 2, table) == (2, 0, 0)
    assert await names(ends, table) == {1: "a", 2: "b"}
    await put(ends, 3, [(3, "e")], table)
    assert await undo(ends, 2, table) == (2, 0, 0)  # as before
    assert await names(ends, table) == {1: "a", 2: "b", 3: "e"}
    assert await undo(ends, 1, table) == (2, 0, 0)
    assert await names(ends, table) == {3: "e"}


async def test_rows_that_were_replaced_are_set_back_with_their_lineage(ends: Ends) -> None:
    await put(ends, 1, [(1, "old"), (2, None), (3, 'odd "\\ \n 🎈')])
    before = sorted(await ends.rows(UPSERT), key=str)
    await put(ends, 2, [(1, "new"), (2, "new"), (3, "new"), (4, "added"), (4, "twice")])
    assert await undo(ends, 2, dry=True) == (1, 3, 0)
    assert await undo(ends, 2) == (1, 3, 0)
    assert sorted(await ends.rows(UPSERT), key=str) == before
    assert await undo(ends, 1) == (3, 0, 0)
    assert await ends.rows(UPSERT) == []


async def test_a_chain_in_its_order(ends: Ends) -> None:
    await put(ends, 1, [(1, "first"), (9, "alone")])
    await put(ends, 2, [(1, "second")])
    await put(ends, 3, [(1, "third")])
    assert await undo(ends, 2) == (0, 0, 1)
    assert await names(ends) == {1: "third", 9: "alone"}
    assert await undo(ends, 3) == (0, 1, 0)
    assert await names(ends) == {1: "first", 9: "alone"}
    assert await undo(ends, 1) == (2, 0, 0)
    assert await names(ends) == {}


async def test_rows_that_came_late_and_lost_are_set_back_too(ends: Ends) -> None:
    await put(ends, 3, [(1, "third")])
    await put(ends, 1, [(1, "first")])
    await put(ends, 2, [(1, "second")])
    await put(ends, 2, [(1, "second, later row")], batch=2)
    assert await names(ends) == {1: "third"}
    assert await undo(ends, 3) == (0, 1, 0)
    assert await names(ends) == {1: "second, later row"}
    assert await undo(ends, 2) == (0, 1, 0)
    assert await names(ends) == {1: "first"}


async def test_a_row_removed_by_hand_does_not_come_back(pool: PgPool) -> None:
    ends = PgEnds(pool)
    await put(ends, 1, [(1, "first"), (2, "first")])
    await put(ends, 2, [(1, "second")])
    await pool.execute("DELETE FROM public.people WHERE id = 1")
    await put(ends, 3, [(1, "third")])
    assert await undo(ends, 3) == (1, 0, 0)
    assert await names(ends) == {2: "first"}
    assert await undo(ends, 2) == (0, 0, 0)  # its row is gone
    assert await names(ends) == {2: "first"}
    await undo(ends, 1)
    assert await ends.counts() == (3, 0)


@pytest.mark.parametrize("seed", range(12))
async def test_it_is_as_if_they_had_never_been(
    pool: PgPool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four processes of six batches, delivered in any order, some twice, by several processors at once;
    each may be undone as soon as it has ended, while others go on. The table is what was there before and
    what the processes that are left make of it, and in the end nothing is kept that none of them needs. Every
    other time the table has no columns for the lineage; every fourth time PostgreSQL is older than 18."""
    if seed % 4 == 3:
        monkeypatch.setattr(upsert, "_RETURNS_OLD", 99)
    chance = random.Random(seed)
    lineage = ", _row_number bigint, _process_id uuid" if seed % 2 else ""
    await pool.execute(f"CREATE TABLE public.people (id bigint PRIMARY KEY, name text{lineage})")
    before = {id_: f"before {id_}" for id_ in range(0, 25, 3)}
    await pool.executemany("INSERT INTO public.people VALUES ($1, $2)", before.items())
    brought: dict[int, dict[int, str]] = {}
    deliveries: list[tuple[int, BatchKey, list[tuple[int | None, str | None]]]] = []
    for number in range(1, 5):
        batches = []
        for batch in range(1, 7):
            of = key(batch, rows=10, process=process(number))
            values: list[tuple[int | None, str | None]] = [
                (chance.randrange(25), f"{number}: {batch}.{row}") for row in range(10)
            ]
            for id_, name in values:
                brought.setdefault(number, {})[int(id_ or 0)] = str(name)
            batches.append((number, of, values))
        deliveries += batches + chance.sample(batches, 2)
    chance.shuffle(deliveries)
    doomed = chance.sample(range(1, 5), chance.choice([1, 2, 3, 4]))
    left = {number: sum(found[0] == number for found in deliveries) for number in brought}
    ends = PgEnds(pool)
    others = [PgEnds(pool) for _ in range(3)]
    waiting = iter(deliveries)

    async def work(of_ends: PgEnds) -> None:
        for number, of, values in waiting:
            await load(of_ends, of, values)
            left[number] -= 1
            if not left[number] and number in doomed:
                dry = await undo(of_ends, number, dry=True)
                made = await undo(of_ends, number)
                # Others may have changed rows between the two.
                assert sum(dry) == sum(made) == len(brought[number])

    await asyncio.gather(*map(work, [ends, *others]))
    expected = dict(before)
    for number in sorted(set(brought) - set(doomed)):
        expected |= brought[number]
    assert await names(ends) == expected
    for number in sorted(set(brought) - set(doomed), key=lambda _: chance.random()):
        await undo(ends, number)
    assert await names(ends) == before
    assert (await ends.counts())[1] == 0
    assert await pool.fetchval("SELECT count(*) FROM processor.row_lineage") == 0


async def test_what_is_undone_has_no_effect_any_more(ends: Ends) -> None:
    repair = process(7)
    await put(ends, 1, [(1, "a")])
    of = Loaded(process(1), "default", (repair,), UPSERT, TABLE_SINK)
    await ends.undo.undo(of, dry_run=False)
    for owner in (process(1), repair):
        late = key(2, rows=1, process=owner)
        outcome = unprocessed_outcome(late)
        assert await load(ends, late, [(2, "late")]) == outcome
        assert await load(ends, late, [(2, "late")]) == outcome
        await ends.sink.forget_outcome(late)
        assert await load(ends, late, [(2, "late")]) is None
    assert await names(ends) == {}
    nothing = UndoCounts(0, 0, 0)
    unreported = [Undone(process(1), "default", UndoCounts(1, 0, 0)), Undone(repair, "default", nothing)]
    found = await ends.undo.unreported(10)
    assert sorted(found, key=lambda item: item.process_id) == sorted(
        unreported, key=lambda item: item.process_id
    )
    assert len(await ends.undo.unreported(1)) == 1
    await ends.undo.mark_reported(process(1))
    await ends.undo.mark_reported(process(1))
    assert await ends.undo.unreported(10) == [Undone(repair, "default", nothing)]


async def test_what_is_removed_is_dropped(ends: Ends) -> None:
    await put(ends, 1, [(1, "a")])
    await put(ends, 2, [(1, "b")])
    for deleted in (False, True, True):
        await ends.records.remove(process(2), "default", deleted=deleted)
    late = key(1, rows=100, process=process(2))
    assert await load(ends, late, [(1, "again")]) is None
    assert await load(ends, key(2, process=process(2)), [(5, "late")]) is None
    dead = failed_outcome(late, RowError("batch-error", "", "", "Given up.", "load"))
    assert (await ends.sink.settle(dead)).outcome is None
    assert await names(ends) == {1: "b"}
    if isinstance(ends, PgEnds):
        assert await ends.counts() == (1, 0)
    with pytest.raises(UndoImpossibleError):
        await undo(ends, 2)
    assert await undo(ends, 1, dry=True) in ((0, 0, 0), (0, 0, 1))


async def test_an_undo_stays_known_until_the_process_is_deleted(ends: Ends) -> None:
    await put(ends, 1, [(1, "a")])
    await undo(ends, 1)
    await ends.records.remove(process(1), "default", deleted=False)
    assert await undo(ends, 1) == (1, 0, 0)
    assert await load(ends, key(3, process=process(1)), [(5, "late")]) is None
    await ends.records.remove(process(1), "default", deleted=True)
    assert await ends.undo.undone(process(1)) is None
    assert await ends.undo.unreported(10) == []


async def test_a_batch_and_an_undo_at_the_same_time(pool: PgPool) -> None:
    """The undo waits for a batch that is being loaded; one that comes behind it finds it."""
    ends = PgEnds(pool)
    await put(ends, 1, [(0, "x")])

    async def bring(batch: int) -> None:
        await put(ends, 1, [(batch, "x")], batch=batch)

    await asyncio.gather(*(bring(batch) for batch in range(2, 9)), undo(ends, 1), bring(9), bring(10))
    assert await names(ends) == {}
    assert (await ends.counts())[0] == 10


async def test_a_table_that_has_changed_since(pool: PgPool) -> None:
    ends = PgEnds(pool)
    await put(ends, 1, [(1, "old"), (2, "old")])
    await put(ends, 2, [(1, "new")])
    await pool.execute(
        "ALTER TABLE public.people ADD COLUMN more text DEFAULT 'x', "
        "ADD COLUMN double bigint GENERATED ALWAYS AS (id * 2) STORED"
    )
    assert await undo(ends, 2) == (0, 1, 0)
    rows = {row["id"]: (row["name"], row["more"], row["double"]) for row in await ends.rows(UPSERT)}
    assert rows == {1: ("old", None, 2), 2: ("old", "x", 4)}
    await pool.execute("ALTER TABLE public.people DROP COLUMN name")
    assert await undo(ends, 1) == (2, 0, 0)


async def test_a_table_that_is_gone(pool: PgPool) -> None:
    ends = PgEnds(pool)
    await put(ends, 1, [(1, "a")])
    await pool.execute("DROP TABLE public.people")
    assert await undo(ends, 1) == (0, 0, 0)


async def test_an_undo_that_the_table_refuses_changes_nothing(pool: PgPool) -> None:
    ends = PgEnds(pool)
    await put(ends, 1, [(1, "a"), (2, "b")])
    child = Table(
        "public", "children", COLUMNS, (), foreign=(ForeignKey(("id",), ("public", "people"), ("id",)),)
    )
    await put(ends, 2, [(2, "child")], child)
    for dry in (True, False):
        with pytest.raises(UndoImpossibleError, match="Rows of another table refer to rows of people"):
            await undo(ends, 1, dry=dry)
    assert await names(ends) == {1: "a", 2: "b"}
    await put(ends, 1, [(3, "c")], batch=2)  # it is not closed
    assert await names(ends) == {1: "a", 2: "b", 3: "c"}


async def test_a_value_that_must_be_unique_is_free_again_first(pool: PgPool) -> None:
    ends = PgEnds(pool)
    table = Table("public", "people", COLUMNS, ("id",), upsert=True, unique=(("name",),))
    await put(ends, 1, [(1, "held")], table)
    await put(ends, 2, [(1, "other")], table)
    await put(ends, 2, [(2, "held")], table, batch=2)
    assert await undo(ends, 2, table) == (1, 1, 0)
    assert await names(ends) == {1: "held"}
    await put(ends, 3, [(1, "let go")], table)
    await put(ends, 4, [(5, "held")], table)
    with pytest.raises(UndoImpossibleError, match="does not take back a row"):
        await undo(ends, 3, table)


async def test_without_undo_nothing_is_kept(pool: PgPool) -> None:
    ends = PgEnds(pool)
    bare = Table("public", "people", COLUMNS, ("id",), upsert=True, undo=False)
    await put(ends, 1, [(1, "a")], bare)
    await put(ends, 2, [(1, "b")], bare)
    await put(ends, 1, [(1, "late")], bare, batch=2)
    assert await names(ends) == {1: "b"}
    assert await ends.counts() == (3, 0)


async def test_keys_of_several_columns_and_of_every_type(pool: PgPool) -> None:
    ends = PgEnds(pool)
    await pool.execute(
        "CREATE TABLE public.odd (id bigint, name text, b text DEFAULT 'b', a numeric DEFAULT 1.50, "
        "j jsonb DEFAULT '[1.10, null]', t timestamptz DEFAULT '2026-01-02 03:04:05.678901+00', "
        "f float8 DEFAULT 0.1, n numeric DEFAULT 'NaN', i interval DEFAULT '1 mon 2 days', "
        "y bytea DEFAULT '\\xff00', d date DEFAULT 'infinity', _process_id uuid, _row_number bigint, "
        "PRIMARY KEY (name, id))"
    )
    table = Table("public", "odd", COLUMNS, ("name", "id"), upsert=True)
    await put(ends, 1, [(1, "k"), (2, "k")], table)
    query = "SELECT t::text FROM public.odd t ORDER BY id"
    before = await pool.fetch(query)
    await put(ends, 2, [(1, "k"), (2, "k"), (3, "k")], table)
    await pool.execute(
        "UPDATE public.odd SET a = 2, j = '{}', t = now(), f = 3, n = 1, i = '1 s', y = '', d = '2020-01-01'"
    )
    assert await undo(ends, 2, table) == (1, 2, 0)
    assert await pool.fetch(query) == before
