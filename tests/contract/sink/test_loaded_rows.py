"""The rows of a process as they are in its table: found by their lineage, bounded, and a word where that is
not possible."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from ingestor.runtime.postgres.pool import PgPool
from ingestor.services.processor.adapters.pg_loaded_rows import PgLoadedTables
from ingestor.services.processor.adapters.pg_rows_before import RowsBefore
from ingestor.services.processor.adapters.postgres.markers import PgProcessRecords
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.ports import (
    JSON_SINK,
    TABLE_SINK,
    GoodRows,
    Loaded,
    LoadedRows,
    SinkChoice,
    Table,
    TableNow,
)
from tests.contract.sink.batches import PEOPLE, concluding, good, key, new_process

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool

UPSERT = replace(PEOPLE, upsert=True)
ALL = (1, 2**63 - 1)


async def put(
    pool: PgPool,
    process: str,
    values: list[tuple[int | None, str | None]],
    table: Table = PEOPLE,
    repairs: str = "",
) -> None:
    """Load rows of a process, from row 1 on."""
    of = key(1, rows=len(values), process=process)
    await PgSink(pool).load(of, replace(good(of, values, table), repairs=repairs), concluding(of))


async def read(
    pool: PgPool,
    process: str,
    table: Table = PEOPLE,
    numbers: tuple[int, int] = ALL,
    *,
    sink: SinkChoice = TABLE_SINK,
    seconds: float = 5,
) -> LoadedRows:
    """What a look at the rows of a process shows."""
    of = Loaded(process, "default", (), table, sink)
    return await PgLoadedTables(pool, seconds=seconds).read(of, *numbers, counts=True)


async def test_rows_are_found_by_their_lineage(pool: PgPool) -> None:
    first, second = new_process(), new_process()
    await put(pool, first, [(1, "Ada"), (2, None), (3, "")])
    await put(pool, second, [(4, "Eve")])
    found = await read(pool, first)
    assert found.columns == ("id", "name")
    assert list(found.rows) == [(1, ("1", "Ada")), (2, ("2", None)), (3, ("3", ""))]
    assert (found.table, found.more, found.unreadable) == ("public.people", False, "")
    assert found.counts == (4, 3)
    assert list((await read(pool, first, numbers=(2, 2))).rows) == [(2, ("2", None))]
    # The statement that it shows finds the same rows.
    shown = await pool.fetch(found.select)
    assert [(row["_row_number"], row["id"]) for row in shown] == [(1, 1), (2, 2), (3, 3)]


async def test_the_rows_before_are_counted_once(pool: PgPool) -> None:
    first, second = new_process(), new_process()
    await put(pool, first, [(1, "Ada"), (2, "Bob")])
    await put(pool, second, [(3, "Eve")])
    later = key(2, rows=1, process=second)
    await PgSink(pool).load(later, good(later, [(4, "Eva")]), concluding(later))  # by another instance
    assert (await read(pool, first)).before == TableNow(True, 0)
    found = await read(pool, second)
    assert (found.before, found.counts) == (TableNow(True, 2), (4, 2))


async def test_rows_before_of_a_process_that_began_without_counting(pool: PgPool) -> None:
    """By an instance of an older release."""
    process = new_process()
    await put(pool, process, [(1, "Ada")])
    await pool.execute("DELETE FROM processor.rows_before")
    of = key(2, rows=1, process=process)
    await PgSink(pool).load(of, good(of, [(2, "Bob")]), concluding(of))
    assert (await read(pool, process)).before is None


async def test_rows_before_go_with_their_process(pool: PgPool, pool_of: OpenPool) -> None:
    process = new_process()
    await put(pool, process, [(1, "Ada")])
    await PgProcessRecords(await pool_of("processor")).remove(process, "default", deleted=True)
    assert await pool.fetchval("SELECT count(*) FROM processor.rows_before") == 0


async def test_many_rows_before_are_an_estimate(pool: PgPool) -> None:
    await put(pool, new_process(), [(0, "Ada")])
    await pool.execute(
        "INSERT INTO public.people (id, name, _process_id, _row_number) "
        "SELECT n, 'x', gen_random_uuid(), n FROM generate_series(1, 20000) n"
    )
    await pool.execute("ANALYZE public.people")
    process = new_process()
    await put(pool, process, [(-1, "Bob")])
    found = await read(pool, process)
    assert (found.before, found.counts) == (TableNow(True, 20_001, estimated=True), (20_002, 1))


async def test_a_locked_table_does_not_stop_the_count_for_long(pool: PgPool) -> None:
    """It is not known then, and the rows are loaded as soon as they can be."""
    await put(pool, new_process(), [(1, "Ada")])
    process = new_process()
    async with pool.transaction() as other:
        await other.execute("LOCK TABLE public.people IN ACCESS EXCLUSIVE MODE")
        assert await RowsBefore(pool).count(key(1, rows=1, process=process), PEOPLE) is None


async def test_rows_that_were_changed_or_replaced_are_shown_as_they_are_now(pool: PgPool) -> None:
    first, second = new_process(), new_process()
    await put(pool, first, [(1, "Ada"), (2, "Bob")], UPSERT)
    await put(pool, second, [(2, "Bert")], UPSERT)
    await pool.execute("UPDATE public.people SET name = 'Ada L.' WHERE id = 1")
    assert list((await read(pool, first, UPSERT)).rows) == [(1, ("1", "Ada L."))]
    assert list((await read(pool, second, UPSERT)).rows) == [(1, ("2", "Bert"))]


async def test_lineage_in_the_suites_own_table(pool: PgPool) -> None:
    await pool.execute("CREATE TABLE public.people (id bigint PRIMARY KEY, name text)")
    await pool.execute("INSERT INTO public.people VALUES (9, 'older')")
    process = new_process()
    await put(pool, process, [(1, "Ada"), (2, "Bob")], UPSERT)
    found = await read(pool, process, UPSERT, (2, 9))
    assert list(found.rows) == [(2, ("2", "Bob"))]
    assert found.counts == (3, 2)
    assert found.select == ""  # nobody but the suite reads its lineage
    append = await read(pool, process)
    assert "has no columns _process_id and _row_number" in append.unreadable
    assert append.counts is None


async def test_a_table_that_is_gone_or_closed_to_the_suite(pool: PgPool) -> None:
    process = new_process()
    assert (await read(pool, process)).unreadable == "There is no table public.people."
    await put(pool, process, [(1, "Ada")])
    await pool.execute("REVOKE SELECT ON public.people FROM CURRENT_USER")
    found = await read(pool, process)
    assert "the right to SELECT" in found.unreadable
    assert (found.table, list(found.rows)) == ("public.people", [])


async def test_a_column_that_is_gone_is_left_out(pool: PgPool) -> None:
    process = new_process()
    await put(pool, process, [(1, "Ada")])
    await pool.execute("ALTER TABLE public.people DROP COLUMN name")
    found = await read(pool, process)
    assert (found.columns, list(found.rows)) == (("id",), [(1, ("1",))])


async def test_reading_that_takes_long_ends_with_a_word(pool: PgPool) -> None:
    process = new_process()
    await put(pool, process, [(1, "Ada")])
    locked, done = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with pool.transaction() as connection:
            await connection.execute("LOCK TABLE public.people IN ACCESS EXCLUSIVE MODE")
            locked.set()
            await done.wait()

    holder = asyncio.ensure_future(hold())
    await locked.wait()
    found = await read(pool, process, seconds=0.2)
    assert "took more than 0.2 seconds" in found.unreadable
    assert 'CREATE INDEX ON "public"."people" (_process_id, _row_number)' in found.unreadable
    assert found.counts is None
    done.set()
    await holder


async def test_an_answer_is_bounded(pool: PgPool) -> None:
    process = new_process()
    await put(pool, process, [(number, "ä" * 900) for number in range(1, 1201)])
    found = await read(pool, process)
    assert found.more
    assert 1 < len(found.rows) <= 1000
    size = sum(len((cell or "").encode()) for _, cells in found.rows for cell in cells)
    assert size <= 2 * 2**20
    last = found.rows[-1][0]
    rest = await read(pool, process, numbers=(last + 1, 1200))
    assert rest.rows[0][0] == last + 1


async def test_a_long_cell_is_shortened(pool: PgPool) -> None:
    process = new_process()
    await put(pool, process, [(1, "x" * 5000)])
    ((_, cells),) = (await read(pool, process)).rows
    assert cells[1] == "x" * 1000 + "…[cut]"


@pytest.mark.parametrize("broken", [False, True])
async def test_json_rows(pool: PgPool, *, broken: bool) -> None:
    table = Table("public", "ingested_rows", (("data", "jsonb"),), ())
    process = new_process()
    of = key(1, rows=2, process=process)
    texts = [json.dumps({"name": "Ada", "big": 12345678901234567890}), json.dumps({"name": None, "in": [1]})]
    rows = GoodRows(table, pa.table({"data": pa.array(texts)}), np.array([1, 2]), JSON_SINK)
    await PgSink(pool).load(of, rows, concluding(of))
    if broken:  # by somebody else
        await pool.execute("""UPDATE public.ingested_rows SET data = '"text"' WHERE _row_number = 1""")
    found = await read(pool, process, table, sink=JSON_SINK)
    shown = [(number, dict(zip(found.columns, cells, strict=True))) for number, cells in found.rows]
    second = {"name": None, "in": "[1]"}
    if broken:
        assert shown == [(1, {"name": None, "in": None}), (2, second)]
    else:
        assert shown == [
            (1, {"name": "Ada", "big": "12345678901234567890", "in": None}),
            (2, {**second, "big": None}),
        ]
