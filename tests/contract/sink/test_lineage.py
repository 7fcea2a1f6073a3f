"""Tables that were there before the suite: rows without lineage are older than all processes, and a table
needs no columns for it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import asyncpg
import pyarrow as pa
import pytest

from ingestor.access.scope import row_security
from ingestor.runtime.postgres.pool import PgPool
from ingestor.services.processor.adapters.postgres.dry_run import PgDryRunTables
from ingestor.services.processor.adapters.postgres.markers import PgProcessRecords
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.postgres.undo import PgUndo
from ingestor.services.processor.batches import BatchOutcome
from ingestor.services.processor.ports import (
    TABLE_SINK,
    GoodRows,
    Loaded,
    SinkRefusedError,
    Table,
    UndoImpossibleError,
)
from tests.contract.sink.batches import concluding, good, key

COLUMNS = (("id", "bigint"), ("name", "text"))
UPSERT = Table("public", "people", COLUMNS, ("id",), upsert=True)
APPEND = Table("public", "people", COLUMNS, ("id",))
NO_KEY = Table("public", "people", COLUMNS, ())
EVOLVING = replace(UPSERT, evolve=True)
IN_COLUMNS = ", _row_number bigint, _process_id uuid"
Values = list[tuple[int | None, str | None]]
LINEAGE = pytest.mark.parametrize("lineage", [IN_COLUMNS, ""], ids=["columns", "own table"])


def process(number: int) -> str:
    """The processes of a test: a higher number is a later one."""
    return str(uuid.UUID(int=number))


async def put(
    pool: PgPool, number: int, values: Values, table: Table = UPSERT, batch: int = 1, repairs: str = ""
) -> BatchOutcome:
    """Load a batch of 100 rows at most of a process; the outcome."""
    of = key(batch, rows=100, process=process(number))
    rows = replace(good(of, values, table), repairs=repairs)
    outcome = (await PgSink(pool).load(of, rows, concluding(of))).outcome
    assert outcome is not None
    return outcome


async def undo(pool: PgPool, number: int, table: Table = UPSERT) -> tuple[int, int, int]:
    """Undo a process: removed, restored, kept."""
    made = await PgUndo(pool, pool).undo(
        Loaded(process(number), "default", (), table, TABLE_SINK), dry_run=False
    )
    return made.removed, made.restored, made.kept


async def names(pool: PgPool, name: str = "people") -> dict[Any, Any]:
    """name by id."""
    return {row[0]: row[1] for row in await pool.fetch(f"SELECT id, name FROM public.{name} ORDER BY id")}


async def texts(pool: PgPool, name: str = "people") -> list[str]:
    """The table as text, row by row."""
    return [row[0] for row in await pool.fetch(f"SELECT t::text FROM public.{name} t ORDER BY id")]


@LINEAGE
@pytest.mark.parametrize("table", [UPSERT, EVOLVING], ids=["fixed", "evolving"])
async def test_rows_that_were_there_before_are_replaced_and_come_back(
    pool: PgPool, lineage: str, table: Table
) -> None:
    await pool.execute(
        "CREATE TABLE public.people (id bigint PRIMARY KEY, name text, code uuid DEFAULT gen_random_uuid(), "
        f"at timestamptz DEFAULT clock_timestamp(){lineage})"
    )
    await pool.execute("INSERT INTO public.people (id, name) VALUES (1, 'one'), (2, 'two'), (9, 'nine')")
    before = await texts(pool)
    outcome = await put(pool, 1, [(1, "100"), (2, "200"), (3, "300")], table)
    assert (outcome.succeeded, outcome.rows) == (100, ())
    assert await names(pool) == {1: "100", 2: "200", 3: "300", 9: "nine"}
    await put(pool, 2, [(2, "2000")], table)
    assert await undo(pool, 1, table) == (1, 1, 1)
    assert await names(pool) == {1: "one", 2: "2000", 9: "nine"}
    assert await undo(pool, 2, table) == (0, 1, 0)
    assert await texts(pool) == before
    assert await pool.fetchval("SELECT count(*) FROM processor.replaced_rows") == 0


@LINEAGE
async def test_without_undo_they_are_replaced_too(pool: PgPool, lineage: str) -> None:
    await pool.execute(f"CREATE TABLE public.people (id bigint PRIMARY KEY, name text{lineage})")
    await pool.execute("INSERT INTO public.people VALUES (1, 'one'), (2, 'two')")
    table = replace(UPSERT, undo=False)
    await put(pool, 2, [(1, "new"), (1, "newer"), (3, "three")], table)
    await put(pool, 1, [(1, "late"), (2, "first")], table)
    assert await names(pool) == {1: "newer", 2: "first", 3: "three"}
    assert await pool.fetchval("SELECT count(*) FROM processor.replaced_rows") == 0


async def test_half_a_lineage_is_none(pool: PgPool) -> None:
    await pool.execute(f"CREATE TABLE public.people (id bigint PRIMARY KEY, name text{IN_COLUMNS})")
    await pool.execute(
        "INSERT INTO public.people VALUES (1, 'a', NULL, $1), (2, 'b', 7, NULL), (3, 'c', NULL, $2)",
        process(9), process(1),
    )  # fmt: skip
    before = await texts(pool)
    await put(pool, 1, [(1, "new"), (2, "new")])
    assert await names(pool) == {1: "new", 2: "new", 3: "c"}
    assert await undo(pool, 1) == (0, 2, 0)
    assert await texts(pool) == before


@LINEAGE
async def test_a_repair_replaces_them_as_its_process_would(pool: PgPool, lineage: str) -> None:
    await pool.execute(f"CREATE TABLE public.people (id bigint PRIMARY KEY, name text{lineage})")
    await pool.execute("INSERT INTO public.people VALUES (1, 'one'), (2, 'two')")
    await put(pool, 2, [(2, "later")])
    await put(pool, 3, [(1, "repaired"), (2, "repaired")], repairs=process(1))
    assert await names(pool) == {1: "repaired", 2: "later"}
    assert await undo(pool, 2) == (0, 1, 0)
    assert await names(pool) == {1: "repaired", 2: "repaired"}
    assert await undo(pool, 1) == (0, 2, 0)
    assert await names(pool) == {1: "one", 2: "two"}


@LINEAGE
async def test_a_default_of_a_row_that_came_late_is_not_invented(pool: PgPool, lineage: str) -> None:
    """Whatever the order, a column that no file has keeps the value that it got first."""
    await pool.execute(
        "CREATE TABLE public.people (id bigint PRIMARY KEY, name text, "
        f"code uuid DEFAULT gen_random_uuid(){lineage})"
    )
    await put(pool, 2, [(1, "second")])
    code = await pool.fetchval("SELECT code FROM public.people")
    await put(pool, 1, [(1, "first")])
    await undo(pool, 2)
    assert dict(await pool.fetchrow("SELECT name, code FROM public.people") or {}) == {
        "name": "first", "code": code,
    }  # fmt: skip


async def test_lineage_goes_with_its_row_and_its_process(pool: PgPool) -> None:
    await pool.execute("CREATE TABLE public.people (id bigint PRIMARY KEY, name text)")
    await put(pool, 1, [(1, "a"), (2, "a")])
    await put(pool, 2, [(1, "b")])
    # A row that somebody put in the place of a deleted one is not told from it; a row of a process is.
    await pool.execute("DELETE FROM public.people WHERE id = 1")
    await put(pool, 1, [(1, "again")], batch=2)
    assert await names(pool) == {1: "again", 2: "a"}
    service = PgPool(pool.connections, row_security)  # which removes records as itself, not as a tenant
    await PgProcessRecords(service).remove(process(1), "default", deleted=False)
    of_process = "SELECT count(*) FROM processor.row_lineage WHERE process_id = $1"
    assert await pool.fetchval(of_process, process(1)) == 0
    await put(pool, 3, [(1, "c"), (2, "c")])
    assert await undo(pool, 3) == (0, 2, 0)
    assert await names(pool) == {1: "again", 2: "a"}
    await pool.execute("DROP TABLE public.people")
    await pool.execute("CREATE TABLE public.people (id bigint PRIMARY KEY, name text)")
    await pool.execute("INSERT INTO public.people VALUES (1, 'another')")
    with pytest.raises(UndoImpossibleError, match="is not known"):
        await undo(pool, 5)


async def test_keys_that_are_equal_but_not_the_same_text(pool: PgPool) -> None:
    """The lineage follows the key that the table has."""
    await pool.execute("CREATE TABLE public.people (id numeric PRIMARY KEY, more text)")
    columns = (("id", "numeric"), ("more", "text"))
    table = Table("public", "people", columns, ("id",), upsert=True)

    async def bring(number: int, *row: str) -> None:
        of = key(1, rows=1, process=process(number))
        data = pa.table({name: pa.array([value]) for (name, _), value in zip(columns, row, strict=True)})
        await PgSink(pool).load(of, GoodRows(table, data, good(of, [(1, "")]).row_numbers), concluding(of))

    await bring(2, "1.0", "second")
    await bring(3, "1.00", "third")
    await bring(1, "1", "first")
    assert await texts(pool) == ["(1.0,third)"]
    assert await undo(pool, 3, table) == (0, 1, 0)
    assert await texts(pool) == ["(1.0,second)"]
    assert await undo(pool, 2, table) == (0, 1, 0)
    assert await texts(pool) == ["(1.0,first)"]
    assert await undo(pool, 1, table) == (1, 0, 0)


async def test_appended_rows_of_a_table_without_lineage(pool: PgPool) -> None:
    """Each key once; the row that was loaded first stays; and an undo says that it cannot be."""
    await pool.execute("CREATE TABLE public.people (id bigint PRIMARY KEY, name text UNIQUE, no serial)")
    await pool.execute("INSERT INTO public.people VALUES (1, 'one')")
    clean = await put(pool, 1, [(2, "two"), (3, "three")], APPEND, batch=2)
    assert clean.rows == ()
    (notice,) = clean.notices
    assert notice.code == "no-lineage-columns"
    assert "public.people" in notice.message
    values: Values = [(3, "x"), (4, "four"), (4, "again"), (5, "one"), (None, "null"), (6, "two"), (7, "y")]
    outcome = await put(pool, 1, values, APPEND)
    found = {row.row_number: row.errors[0].code for row in outcome.rows}
    assert found == {
        1: "primary-key", 3: "primary-key", 4: "unique-error", 5: "sink-error", 6: "unique-error",
    }  # fmt: skip
    assert outcome.displaced == ()
    assert await names(pool) == {1: "one", 2: "two", 3: "three", 4: "four", 7: "y"}
    again = await put(pool, 1, values, APPEND)
    assert again == outcome
    with pytest.raises(UndoImpossibleError, match="has no columns _process_id and _row_number"):
        await undo(pool, 1, APPEND)


async def test_the_first_of_rows_without_a_key_cannot_be_told(pool: PgPool) -> None:
    await pool.execute("CREATE TABLE public.people (id bigint, name text)")
    assert (await put(pool, 1, [(1, "a"), (1, "a")], NO_KEY)).rows == ()
    assert await names(pool) == {1: "a"}
    with pytest.raises(UndoImpossibleError, match="has no columns"):
        await undo(pool, 1, NO_KEY)


@pytest.mark.parametrize("table", [UPSERT, APPEND, NO_KEY], ids=["upsert", "append", "no key"])
async def test_a_dry_run_says_so_before(pool: PgPool, table: Table) -> None:
    await pool.execute("CREATE TABLE public.people (id bigint PRIMARY KEY, name text)")
    await pool.execute("INSERT INTO public.people VALUES (1, 'one')")
    of = key(rows=3)
    async with PgDryRunTables(pool, 1).open(table) as dry_run:
        refused = await dry_run.refused(good(of, [(1, "a"), (2, "b"), (2, "c")], table))
        notices = dry_run.notices
    loaded = await put(pool, 1, [(1, "a"), (2, "b"), (2, "c")], table)
    assert [row.position + 1 for row in refused] == [row.row_number for row in loaded.rows]
    assert tuple(notices) == loaded.notices
    assert "by their key" in notices[0].message if table.upsert else "cannot be undone" in notices[0].message


async def test_columns_are_added_when_the_pipeline_says_so(pool: PgPool) -> None:
    await pool.execute("CREATE TABLE public.people (id bigint PRIMARY KEY, name text)")
    await pool.execute("INSERT INTO public.people VALUES (1, 'one'), (2, 'two')")
    await put(pool, 1, [(1, "first"), (3, "first")])
    adding = replace(UPSERT, add_lineage=True)
    async with PgDryRunTables(pool, 1).open(adding) as dry_run:
        assert await dry_run.refused(good(key(rows=1), [(1, "a")], adding)) == []
        assert dry_run.notices == ()
    outcome = await put(pool, 2, [(1, "second"), (2, "second")], adding)
    assert outcome.notices == ()
    assert await texts(pool) == [
        f"(1,second,1,{process(2)})",
        f"(2,second,2,{process(2)})",
        f"(3,first,2,{process(1)})",
    ]
    assert await pool.fetchval("SELECT count(*) FROM processor.row_lineage") == 0
    assert await undo(pool, 1, adding) == (1, 0, 1)
    assert await undo(pool, 2, adding) == (0, 2, 0)
    assert await names(pool) == {1: "one", 2: "two"}


async def test_columns_that_only_the_owner_can_add(pool: PgPool, database_url: str) -> None:
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute(
            "CREATE TABLE public.people (id bigint PRIMARY KEY, name text); "
            "GRANT ALL ON public.people TO PUBLIC"
        )
    finally:
        await owner.close()
    adding = replace(UPSERT, add_lineage=True)
    expected = 'only its owner can add them: ALTER TABLE "public"."people" ADD COLUMN'
    with pytest.raises(SinkRefusedError, match=expected):
        await put(pool, 1, [(1, "a")], adding)
    with pytest.raises(SinkRefusedError, match=expected):
        async with PgDryRunTables(pool, 1).open(adding) as dry_run:
            await dry_run.refused(good(key(rows=1), [(1, "a")], adding))
    await put(pool, 1, [(1, "a")])
    assert await names(pool) == {1: "a"}


async def test_columns_of_other_types(pool: PgPool) -> None:
    """Keys and values are fitted to their columns first, and undone as the table has them."""
    await pool.execute(
        "CREATE TABLE public.people (id integer, code char(4), name varchar(20), seen timestamptz(0) "
        "DEFAULT '2026-01-02T03:04:05Z', price numeric(6,2), PRIMARY KEY (id, code));"
        "INSERT INTO public.people (id, code, name, price) VALUES (1, 'a', 'one', 1.00), (2, 'b', 'two', 2)"
    )
    before = await texts(pool)
    columns = (("id", "bigint"), ("code", "text"), ("name", "text"), ("price", "numeric"))
    table = Table("public", "people", columns, ("id", "code"), upsert=True)
    of = key(1, rows=4, process=process(1))
    data = pa.table(
        {
            "id": pa.array([1, 2, 3, 4], pa.int64()),
            "code": pa.array(["a", "b", "c", "d"]),
            "name": pa.array(["100", "200", "300", "x" * 21]),
            "price": pa.array(["1.5", "2.25", "3", "4"]),
        }
    )
    rows = GoodRows(table, data, good(of, [(1, "")] * 4).row_numbers)
    outcome = (await PgSink(pool).load(of, rows, concluding(of))).outcome
    assert outcome is not None
    assert [(row.row_number, row.errors[0].field) for row in outcome.rows] == [(4, "name")]
    assert [row[0] for row in await pool.fetch("SELECT name FROM public.people ORDER BY id")] == [
        "100", "200", "300",
    ]  # fmt: skip
    assert await undo(pool, 1, table) == (1, 2, 0)
    assert await texts(pool) == before


@pytest.mark.parametrize("table", [UPSERT, APPEND], ids=["upsert", "append"])
async def test_rows_that_a_trigger_leaves_out(pool: PgPool, table: Table) -> None:
    """Of an upsert they are known by their key, of an append only how many they are."""
    await pool.execute(
        "CREATE TABLE public.people (id bigint PRIMARY KEY, name text);"
        "INSERT INTO public.people VALUES (1, 'one');"
        "CREATE FUNCTION public.leave_out() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF new.name = 'b' THEN RETURN NULL; END IF; RETURN new; END $$;"
        "CREATE TRIGGER leave_out BEFORE INSERT OR UPDATE ON public.people "
        "FOR EACH ROW EXECUTE FUNCTION public.leave_out()"
    )
    first = 1 if table.upsert else 4
    outcome = await put(pool, 1, [(first, "b"), (2, "b"), (3, "c")], table)
    (notice,) = [notice for notice in outcome.notices if notice.code == "rows-left-out"]
    assert notice.rows == 2
    assert notice.row_numbers == ((1, 2) if table.upsert else ())
    assert [row.row_number for row in outcome.rows] == list(notice.row_numbers)
    assert await names(pool) == {1: "one", 3: "c"}
    if table.upsert:
        assert await undo(pool, 1) == (1, 0, 0)
        assert await names(pool) == {1: "one"}
        assert await pool.fetchval("SELECT count(*) FROM processor.replaced_rows") == 0
