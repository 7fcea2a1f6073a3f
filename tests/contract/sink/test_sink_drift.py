"""Tables that change with the files: columns are added once, whoever comes first, and the content does not
depend on the order of delivery."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from ingestor.runtime.errors import TransientError
from ingestor.services.processor.adapters.postgres import sink as pg_sink
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.batches import BatchKey, BatchOutcome
from ingestor.services.processor.ports import GoodRows, SinkRefusedError, Table, TableLockedError
from tests.contract.sink.batches import concluding, key
from tests.fakes.sink import MemorySink

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

    AnySink = PgSink | MemorySink

Row = Mapping[str, Any]


@pytest.fixture(params=["postgres", "memory"])
def sink(request: pytest.FixtureRequest) -> AnySink:
    """A sink."""
    return PgSink(request.getfixturevalue("pool")) if request.param == "postgres" else MemorySink()


def table(*extra: str, mode: str = "append", evolve: bool = True) -> Table:
    """A table of ids and these columns ("name" of text, "name:type")."""
    columns = [("id", "bigint"), *((name, type_ or "text") for name, _, type_ in
                                   (column.partition(":") for column in extra))]  # fmt: skip
    return Table("public", "t", tuple(columns), ("id",), upsert=mode == "upsert", evolve=evolve)


async def load(sink: AnySink, of: BatchKey, into: Table, rows: Sequence[Row]) -> BatchOutcome | None:
    """Load rows of a table."""
    types = {"bigint": pa.int64(), "text": pa.string(), "numeric": pa.string(), "boolean": pa.bool_()}
    data = {name: pa.array([row.get(name) for row in rows], types[type_]) for name, type_ in into.columns}
    numbers = np.arange(len(rows), dtype=np.int64) + of.range.first_row
    return (await sink.load(of, GoodRows(into, pa.table(data), numbers), concluding(of))).outcome


async def content(sink: AnySink) -> dict[Any, dict[str, Any]]:
    """The table's rows by id, without their missing values and their lineage."""
    if isinstance(sink, PgSink):
        found = [dict(row) for row in await sink._pool.fetch("SELECT * FROM public.t")]
    else:
        found = [dict(row) for row in sink.tables["t"]]
    assert len({row["id"] for row in found}) == len(found)
    lineage = ("_row_number", "_process_id")
    return {
        row["id"]: {name: value for name, value in row.items() if value is not None and name not in lineage}
        for row in found
    }


async def columns(pool: PgPool) -> dict[str, str]:
    """The table's columns: name to type."""
    query = "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attnum > 0 AND attrelid = $1"
    oid = await pool.fetchval("SELECT 'public.t'::regclass::oid")
    return {row[0]: row[1] for row in await pool.fetch(query, oid)}


async def test_new_columns_are_added(sink: AnySink) -> None:
    await load(sink, key(rows=1), table("a"), [{"id": 1, "a": "x"}])
    await load(sink, key(rows=1), table("a", "b", "two:bigint"), [{"id": 2, "a": "y", "b": "z", "two": 2}])
    await load(sink, key(rows=1), table("a", 'q"; DROP'), [{"id": 3, 'q"; DROP': "w"}])
    assert await content(sink) == {
        1: {"id": 1, "a": "x"}, 2: {"id": 2, "a": "y", "b": "z", "two": 2}, 3: {"id": 3, 'q"; DROP': "w"}
    }  # fmt: skip
    if isinstance(sink, PgSink):
        assert (await columns(sink._pool))["two"] == "bigint"


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
async def test_a_row_takes_anothers_place_as_a_whole(sink: AnySink, order: Sequence[int]) -> None:
    """Also in columns that its own file does not have, in whatever order the files come."""
    early, middle, late = (key(rows=1, process=str(uuid.UUID(int=number))) for number in (1, 2, 3))
    deliveries = [
        (early, table("a", "b", mode="upsert"), {"id": 1, "a": "early", "b": "early"}),
        (middle, table("a", "c", mode="upsert"), {"id": 1, "a": "middle", "c": "middle"}),
        (late, table("a", mode="upsert"), {"id": 1, "a": "late"}),
    ]
    for number in order:
        of, into, row = deliveries[number]
        await load(sink, of, into, [row])
    assert await content(sink) == {1: {"id": 1, "a": "late"}}


# -- what only a real database does ----------------------------------------------------------------


async def test_a_column_of_somebody_elses_keeps_its_value(pool: PgPool) -> None:
    await pool.execute(
        "CREATE TABLE public.t (id bigint PRIMARY KEY, a text, remark text DEFAULT 'none', "
        "_row_number bigint, _process_id uuid)"
    )
    sink = PgSink(pool)
    first, second = (key(rows=1, process=str(uuid.UUID(int=number))) for number in (1, 2))
    await load(sink, first, table("a", "b", mode="upsert"), [{"id": 1, "a": "x", "b": "y"}])
    await pool.execute("UPDATE public.t SET remark = 'mine'")
    await load(sink, second, table("a", mode="upsert"), [{"id": 1, "a": "z"}])
    assert await content(sink) == {1: {"id": 1, "a": "z", "remark": "mine"}}


async def test_a_table_that_lags_behind_is_refused_unless_it_may_change(pool: PgPool) -> None:
    sink = PgSink(pool)
    await load(sink, key(rows=1), table("a", evolve=False), [{"id": 1, "a": "x"}])
    later, row = key(rows=1), {"id": 2, "a": "y", "new": "z"}
    with pytest.raises(SinkRefusedError, match=r"The table t has no column new\."):
        await load(sink, later, table("a", "new", evolve=False), [row])
    assert "new" not in await columns(pool)
    await load(sink, later, table("a", "new"), [row])
    assert (await content(sink))[2] == row


async def test_a_type_is_never_changed(pool: PgPool) -> None:
    sink = PgSink(pool)
    await load(sink, key(rows=1), table("a", "b:bigint"), [{"id": 1, "a": "x", "b": 1}])
    with pytest.raises(SinkRefusedError, match=r"column b of the table t is bigint, which takes no boolean"):
        await load(sink, key(rows=0), table("a", "b:boolean", "n"), [])
    assert "n" not in await columns(pool)
    await load(sink, key(rows=1), table("a:bigint", "b:numeric"), [{"id": 2, "a": 7, "b": "2.0"}])
    assert (await content(sink))[2] == {"id": 2, "a": "7", "b": 2}


async def test_a_table_of_somebody_elses_gets_no_lineage(pool: PgPool) -> None:
    await pool.execute("CREATE TABLE public.t (id bigint PRIMARY KEY)")
    await load(PgSink(pool), key(rows=1), table("a"), [{"id": 1, "a": "x"}])
    assert list(await columns(pool)) == ["id", "a"]


async def test_a_key_is_not_added(pool: PgPool) -> None:
    sink = PgSink(pool)
    await load(sink, key(rows=1), table("a"), [{"id": 1, "a": "x"}])
    other = Table("public", "t", (("id", "bigint"), ("no", "bigint")), ("no",), upsert=True, evolve=True)
    with pytest.raises(SinkRefusedError, match="no unique index of just no"):
        await load(sink, key(rows=1), other, [{"id": 1, "no": 1}])
    assert "no" not in await columns(pool)


async def test_too_many_columns(pool: PgPool) -> None:
    sink = PgSink(pool)
    for number in range(2):
        wide = table(*(f"c{number}_{column}" for column in range(700)))
        await load(sink, key(rows=1), wide, [{"id": number}])
    with pytest.raises(SinkRefusedError, match="cannot have as many columns"):
        await load(sink, key(rows=1), table(*(f"d{column}" for column in range(300))), [{"id": 9}])


async def test_a_crash_undoes_the_columns(pool: PgPool) -> None:
    sink = PgSink(pool)
    await load(sink, key(rows=1), table("a"), [{"id": 1, "a": "x"}])
    of = key(rows=1)

    def crash(_: object) -> BatchOutcome:
        raise RuntimeError("crash")

    data = pa.table({"id": pa.array([2], pa.int64()), "b": ["y"]})
    with pytest.raises(RuntimeError, match="crash"):
        await sink.load(of, GoodRows(table("b"), data, np.array([1])), crash)
    assert "b" not in await columns(pool)
    await load(sink, of, table("b"), [{"id": 2, "b": "y"}])
    await load(sink, of, table("b"), [{"id": 2, "b": "y"}])  # delivered again
    assert await content(sink) == {1: {"id": 1, "a": "x"}, 2: {"id": 2, "b": "y"}}


async def test_a_long_reader_does_not_stop_everybody(pool: PgPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the table to get columns makes all others wait, so it does not wait for long."""
    sink = PgSink(pool)
    await load(sink, key(rows=1), table("a"), [{"id": 1, "a": "x"}])
    monkeypatch.setattr(pg_sink, "_PATIENCE", "SET LOCAL lock_timeout = '50ms'")
    of, row = key(rows=1), {"id": 2, "b": "y"}
    async with pool.transaction() as reader:
        await reader.fetch("SELECT id FROM public.t")
        with pytest.raises(TableLockedError):
            await load(sink, of, table("b"), [row])
        await load(sink, key(rows=1), table("a"), [{"id": 3, "a": "z"}])
    await load(sink, of, table("b"), [row])
    assert (await content(sink))[2] == row


@pytest.mark.parametrize("mode", ["append", "upsert"])
@pytest.mark.parametrize("seed", range(3))
async def test_many_headers_at_once(pool: PgPool, mode: str, seed: int) -> None:
    """Twelve files, each with columns of its own, in batches that four processors get in any order, some
    twice: every cell is where it belongs."""
    chance = random.Random(seed)
    expected: dict[int, dict[str, Any]] = {}
    deliveries: list[tuple[BatchKey, Table, list[Row]]] = []
    for file in range(1, 13):
        extra = chance.sample(["a", "b", "c", "d", "e", "f"], chance.randint(0, 4))
        into = table("name", *extra, mode=mode)
        for number in (1, 2, 3):
            of = key(number, rows=4, process=str(uuid.UUID(int=file)))
            rows: list[Row] = []
            for row_number in range(of.range.first_row, of.range.first_row + 4):
                id_ = (file * 5 + row_number) % 17 if mode == "upsert" else file * 100 + row_number
                made: dict[str, Any] = {"id": id_, "name": f"{file}:{row_number}"}
                made |= {name: f"{name}{file}:{row_number}" for name in extra}
                rows.append(made)
                expected[id_] = made
            deliveries += [(of, into, rows)] * chance.choice([1, 1, 2])
    chance.shuffle(deliveries)
    waiting = iter(deliveries)
    sinks = [PgSink(pool) for _ in range(4)]

    async def work(sink: PgSink) -> None:
        for delivery in waiting:
            while True:
                try:
                    await load(sink, *delivery)
                    break
                except TransientError:  # as the service does
                    continue

    await asyncio.gather(*map(work, sinks))
    assert await content(sinks[0]) == expected
