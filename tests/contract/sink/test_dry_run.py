"""What every dry run does: it says of a file's rows what loading them would, and leaves nothing."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import asyncpg
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestor.access.scope import within
from ingestor.provisioning.tenants import create_tenant
from ingestor.runtime.errors import ResourceExhaustedError, TransientError
from ingestor.services.processor.adapters.postgres.dry_run import PgDryRunTables
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.batches import BatchKey, BatchRange
from ingestor.services.processor.ports import ForeignKey, GoodRows, SinkRefusedError, Table, TableDryRun
from tests.contract.sink.batches import concluding, new_process, process_after_all_this
from tests.examples import examples
from tests.fakes.dry_run import MemoryDryRunTables
from tests.fakes.sink import MemorySink

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

Row = dict[str, Any]
Found = list[tuple[int, str, str, str]]  # row number, code, field, value

GOODS = Table("public", "goods", (("id", "bigint"), ("name", "text")), ("id",))
SHOPS = Table("public", "shops", (("id", "bigint"), ("name", "text")), ("id",))
TYPES = {"bigint": pa.int64(), "text": pa.string(), "numeric": pa.string()}


class Side:
    """A sink and its dry runs."""

    def __init__(self, sink: PgSink | MemorySink, tables: PgDryRunTables | MemoryDryRunTables) -> None:
        self.sink = sink
        self._tables = tables

    def open(self, table: Table) -> AbstractAsyncContextManager[TableDryRun]:
        """A dry run."""
        return self._tables.open(table)

    async def load(self, table: Table, rows: Sequence[Row], process: str | None = None, number: int = 1,
                   first: int = 1) -> Found:  # fmt: skip
        """Load rows for good; what is said of those that are refused."""
        key = BatchKey(process or new_process(), "default", BatchRange(number, first, len(rows), 2, 0, 9))
        outcome = (await self.sink.load(key, good(table, rows, first), concluding(key))).outcome
        assert outcome is not None
        return [(row.row_number, e.code, e.field, e.value) for row in outcome.rows for e in row.errors]

    async def dry_run(self, table: Table, rows: Sequence[Row], size: int = 3) -> Found:
        """What a dry run says of a file, by slices of `size` rows."""
        found: Found = []
        async with self.open(table) as dry_run:
            for first in range(1, len(rows) + 1, size):
                piece = rows[first - 1 : first - 1 + size]
                for row in await dry_run.refused(good(table, piece, first)):
                    e = row.error
                    assert row.state == "failed"
                    found.append((first + row.position, e.code, e.field, e.value))
        return found


def good(table: Table, rows: Sequence[Row], first: int = 1) -> GoodRows:
    """Rows of a table, numbered from `first`."""
    data = {name: pa.array([row.get(name) for row in rows], TYPES[type_]) for name, type_ in table.columns}
    return GoodRows(table, pa.table(data), np.arange(len(rows), dtype=np.int64) + first)


@pytest.fixture
def postgres(pool: PgPool) -> Side:
    """The real one."""
    return Side(PgSink(pool), PgDryRunTables(pool, 4))


@pytest.fixture(params=["postgres", "memory"])
def side(request: pytest.FixtureRequest) -> Side:
    """Both."""
    if request.param == "postgres":
        made: Side = request.getfixturevalue("postgres")
        return made
    sink = MemorySink()
    return Side(sink, MemoryDryRunTables(sink))


def rows_of(*values: tuple[Any, Any]) -> list[Row]:
    """Rows of GOODS."""
    return [{"id": value[0], "name": value[1]} for value in values]


async def traces(pool: PgPool) -> list[Any]:
    """Whatever there is in the database, and who has temporary tables."""
    found = await pool.fetch("SELECT oid::text || relname FROM pg_class WHERE relkind <> 'i' ORDER BY oid")
    return [row[0] for row in found]


# -- both ------------------------------------------------------------------------------------------


async def test_a_key_that_is_taken(side: Side) -> None:
    """In the table, in the same slice, in an earlier one; with the same words as the sink."""
    await side.load(GOODS, rows_of((1, "old"), (2, "old")))
    rows = rows_of((3, "a"), (1, "b"), (3, "c"), (4, "d"), (3, "e"), (5, "f"), (2, "g"), (4, "h"))
    expected = [(n, "primary-key", "id", v) for n, v in ((2, "1"), (3, "3"), (5, "3"), (7, "2"), (8, "4"))]
    assert await side.dry_run(GOODS, rows) == expected
    assert await side.dry_run(GOODS, rows, 100) == expected  # nothing is left of the first one
    assert await side.load(GOODS, rows) == expected


async def test_a_dry_run_of_a_table_that_is_not_there(side: Side, pool: PgPool) -> None:
    before = await traces(pool)
    assert await side.dry_run(GOODS, rows_of((1, "a"), (2, "b"), (2, "c"), (1, "d"))) == [
        (3, "primary-key", "id", "2"), (4, "primary-key", "id", "1")
    ]  # fmt: skip
    assert await side.dry_run(GOODS, []) == []
    assert await traces(pool) == before


async def test_a_row_loses_by_any_of_its_keys(side: Side) -> None:
    """But not to one that has lost by another; a key with a NULL is none."""
    table = replace(GOODS, unique=(("name",),))
    rows = rows_of((1, "a"), (1, "b"), (2, "b"), (3, None), (4, None), (5, "a"), (6, "c"))
    expected = [
        (2, "primary-key", "id", "1"), (6, "unique-error", "name", "a")
    ]  # fmt: skip
    for size in (1, 2, 7):
        assert await side.dry_run(table, rows, size) == expected


async def test_an_upsert_takes_every_key(side: Side) -> None:
    table = replace(GOODS, upsert=True)
    await side.load(table, rows_of((1, "old")))
    assert await side.dry_run(table, rows_of((1, "a"), (2, "b"), (1, "c"), (2, "d"))) == []


async def test_another_key_of_an_upsert_is_the_first_ones(side: Side) -> None:
    table = replace(GOODS, upsert=True, unique=(("name",),))
    await side.load(table, rows_of((1, "old"), (2, "two")))
    rows = rows_of((1, "old"), (3, "old"), (4, "a"), (4, "a"), (5, "a"), (2, "two"), (6, "b"), (4, "a"))
    for size in (1, 3, 8):
        assert await side.dry_run(table, rows, size) == [
            (2, "unique-error", "name", ""), (5, "unique-error", "name", "")
        ]  # fmt: skip


async def test_a_row_that_refers_to_none(side: Side) -> None:
    """It has no key, so a later row with the same one is good."""
    await side.load(SHOPS, [{"id": 1, "name": "x"}])
    table = Table("public", "goods", (("id", "bigint"), ("shop", "bigint")), ("id",),
                  foreign=(ForeignKey(("shop",), ("public", "shops"), ("id",)),))  # fmt: skip
    rows = [{"id": i, "shop": s} for i, s in ((1, 9), (1, 1), (2, None), (1, 9), (3, 9), (3, 9))]
    for size in (1, 2, 6):
        assert await side.dry_run(table, rows, size) == [
            (1, "foreign-key", "shop", ""), (4, "foreign-key", "shop", ""),
            (5, "foreign-key", "shop", ""), (6, "foreign-key", "shop", ""),
        ]  # fmt: skip


async def test_rows_that_refer_to_rows_of_the_file(side: Side) -> None:
    table = Table("public", "goods", (("id", "bigint"), ("part_of", "bigint")), ("id",),
                  foreign=(ForeignKey(("part_of",), ("public", "goods"), ("id",)),))  # fmt: skip
    rows = [{"id": i, "part_of": p} for i, p in ((2, 1), (1, 1), (3, 9), (4, 2), (5, None), (6, 3), (7, 5))]
    for there in (False, True):
        if there:
            await side.load(table, [{"id": 100, "part_of": None}])
        assert await side.dry_run(table, rows, 2) == [
            (3, "foreign-key", "part_of", ""), (6, "foreign-key", "part_of", "")
        ]  # fmt: skip


async def test_a_table_that_cannot_be_made(side: Side) -> None:
    """Each call says so, also for no rows, in the words of the sink."""
    table = replace(GOODS, foreign=(ForeignKey(("name",), ("public", "nowhere"), ("id",)),))
    async with side.open(table) as dry_run:
        for rows in (rows_of((1, "a")), []):
            with pytest.raises(SinkRefusedError, match=r"refers to public\.nowhere \(id\), which"):
                await dry_run.refused(good(table, rows))


# -- what only a real database does ----------------------------------------------------------------

MADE = "CREATE TABLE public.goods ({}, _row_number bigint, _process_id uuid)"
PRICED = Table("public", "goods", (("id", "numeric"), ("name", "text"), ("price", "numeric")), ("id",))


@pytest.mark.parametrize(
    "columns",
    [
        "id bigint, _row_number bigint, _process_id uuid",
        "id text, name text, _row_number bigint, _process_id uuid",
        "id bigint, name text, _process_id uuid",
        "id bigint, name text, _row_number bigint, _process_id uuid",
        "id bigint PRIMARY KEY, name text, _row_number bigint, _process_id uuid; REVOKE",
        "VIEW",
    ],
)
@pytest.mark.parametrize("upsert", [False, True])
async def test_a_table_that_does_not_fit(
    postgres: Side, pool: PgPool, database_url: str, columns: str, upsert: bool
) -> None:
    owner = await asyncpg.connect(database_url)
    role = await pool.fetchval("SELECT current_user")
    columns, _, revoked = columns.partition("; ")
    if columns == "VIEW":
        await owner.execute(MADE.format("id bigint, name text").replace("goods", "behind"))
        await owner.execute("CREATE VIEW public.goods AS SELECT DISTINCT * FROM public.behind")
    else:
        await owner.execute(f"CREATE TABLE public.goods ({columns})")
    await owner.execute(f"GRANT {'SELECT' if revoked else 'ALL'} ON public.goods TO {role}")
    await owner.close()
    table = replace(GOODS, primary_key=() if columns == "VIEW" and not upsert else ("id",), upsert=upsert)
    with pytest.raises(SinkRefusedError) as real:
        await postgres.load(table, rows_of((1, "a")))
    with pytest.raises(SinkRefusedError) as tried:
        await postgres.dry_run(table, rows_of((1, "a")))
    assert str(tried.value) == str(real.value)


@pytest.mark.parametrize(
    ("other", "columns", "rights"),
    [
        (None, ("id",), ""),
        ("id bigint", ("id",), ""),  # not unique
        ("id bigint PRIMARY KEY", ("nowhere",), ""),
        ("id text PRIMARY KEY", ("id",), ""),
        ("id bigint PRIMARY KEY", ("id",), "SELECT"),
    ],
)
async def test_a_table_that_cannot_be_made_for_what_it_refers_to(
    postgres: Side, pool: PgPool, database_url: str, other: str | None, columns: tuple[str, ...], rights: str
) -> None:
    if other:
        owner = await asyncpg.connect(database_url)
        await owner.execute(f"CREATE TABLE public.shops ({other})")
        role = await pool.fetchval("SELECT current_user")
        await owner.execute(f"GRANT {rights or 'ALL'} ON public.shops TO {role}")
        await owner.close()
    table = replace(GOODS, foreign=(ForeignKey(("id",), ("public", "shops"), columns),))
    before = await traces(pool)
    with pytest.raises(SinkRefusedError) as tried:
        await postgres.dry_run(table, rows_of((1, "a")))
    assert await traces(pool) == before
    with pytest.raises(SinkRefusedError) as real:
        await postgres.load(table, rows_of((1, "a")))
    assert str(tried.value) == str(real.value)


async def test_an_evolving_table(postgres: Side, pool: PgPool) -> None:
    await postgres.load(GOODS, rows_of((1, "old")))
    table = replace(GOODS, columns=(*GOODS.columns, ("colour", "text")), evolve=True)
    before = await traces(pool)
    rows: list[Row] = [{"id": 1, "colour": "a"}, {"id": 2, "colour": "b"}, {"id": 2}]
    expected = [(1, "primary-key", "id", "1"), (3, "primary-key", "id", "2")]
    assert await postgres.dry_run(table, rows) == expected
    assert await traces(pool) == before
    assert await postgres.load(table, rows) == expected


@pytest.mark.parametrize("upsert", [False, True])
async def test_what_a_table_of_somebody_else_refuses(postgres: Side, pool: PgPool, upsert: bool) -> None:
    """Checks, NOT NULL, numbers that do not fit, a domain, a computed column; and it gives numbers of its
    own, none of which is used up."""
    await pool.execute("CREATE DOMAIN public.small AS numeric CHECK (VALUE < 100)")
    await pool.execute(
        MADE.format(
            "place serial UNIQUE, id numeric(6,1) PRIMARY KEY, name text NOT NULL CONSTRAINT polite "
            "CHECK (name <> 'no'), price numeric(5,2), half public.small GENERATED ALWAYS AS (price / 2) "
            "STORED"
        )
    )
    table = replace(PRICED, upsert=upsert, rounding=frozenset(("id", "price")))
    values = [("1", "a", "1"), ("2", "no", "1"), ("3", None, "1"), ("4", "d", "1000"), ("5", "e", "300"),
              ("6", "f", None), ("1000000", "g", "1"), ("8", "h", "2.005")]  # fmt: skip
    rows = [dict(zip(("id", "name", "price"), row, strict=True)) for row in values]
    tried = await postgres.dry_run(table, rows, 5)
    assert await pool.fetchval("SELECT last_value, is_called FROM public.goods_place_seq") == 1
    limited = "constraint-error"
    assert [row[:2] for row in tried] == [
        (2, "sink-error"), (3, "sink-error"), (4, limited), (5, "sink-error"), (7, limited)
    ]  # fmt: skip
    assert await postgres.load(table, rows) == tried
    # Of an append by the table's own rounding: 1.04 is 1.0.
    again = [{"id": "1.04", "name": "a", "price": "1"}, {"id": "1.06", "name": "a", "price": "1"}]
    expected = [] if upsert else [(1, "primary-key", "id", "1.0")]
    assert await postgres.dry_run(table, again) == expected


async def test_keys_in_which_nulls_are_equal(postgres: Side, pool: PgPool) -> None:
    await pool.execute(MADE.format("id bigint, name text, UNIQUE NULLS NOT DISTINCT (id, name)"))
    table = replace(GOODS, primary_key=())
    await postgres.load(table, rows_of((1, None), (None, None), (2, "b")))
    rows = rows_of(
        (1, None), (None, "x"), (None, "x"), (None, None), (2, "b"), (3, None), (3, None), (1, "c")
    )
    for size in (1, 3, 8):
        assert [row[0] for row in await postgres.dry_run(table, rows, size)] == [1, 3, 4, 5, 7]
    assert [row[0] for row in await postgres.load(table, rows)] == [1, 3, 4, 5, 7]


async def test_a_foreign_key_that_is_whole_or_not_there(postgres: Side, pool: PgPool) -> None:
    await pool.execute("CREATE TABLE public.shops (id bigint, name text, PRIMARY KEY (id, name))")
    await pool.execute("INSERT INTO public.shops VALUES (1, 'a')")
    await pool.execute(
        MADE.format("id bigint, name text, FOREIGN KEY (id, name) REFERENCES public.shops MATCH FULL")
    )
    table = replace(GOODS, primary_key=())
    rows = rows_of((1, "a"), (None, None), (1, None), (1, "b"))
    found = await postgres.dry_run(table, rows)
    assert [row[0] for row in found] == [3, 4]
    assert await postgres.load(table, rows) == found


async def test_no_lock_and_no_transaction_between_two_slices(postgres: Side, pool: PgPool) -> None:
    """The table can be changed, and even be dropped."""
    await postgres.load(GOODS, rows_of((1, "old")))
    async with postgres.open(GOODS) as dry_run, pool.acquire() as other:
        assert len(await dry_run.refused(good(GOODS, rows_of((1, "a"), (2, "b"))))) == 1
        busy = (
            "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid() "
            "AND (backend_xmin IS NOT NULL OR state LIKE 'idle in%')"
        )
        assert await other.fetchval(busy) == 0
        await pool.execute("SET LOCAL lock_timeout = '5s'; ALTER TABLE public.goods ADD COLUMN more text")
        assert [row.position for row in await dry_run.refused(good(GOODS, rows_of((2, "c")), 3))] == [0]
        await pool.execute("SET LOCAL lock_timeout = '5s'; DROP TABLE public.goods")
        with pytest.raises(SinkRefusedError, match=r'relation "public\.goods" does not exist'):
            await dry_run.refused(good(GOODS, rows_of((3, "d")), 4))


async def test_a_table_that_is_locked_is_waited_for(postgres: Side, pool: PgPool) -> None:
    """But not for ever, and the dry run is over then."""
    await postgres.load(GOODS, rows_of((1, "old")))
    async with postgres.open(GOODS) as dry_run:
        await dry_run._connection.execute("SET lock_timeout = '10ms'")  # type: ignore[attr-defined]
        async with pool.transaction() as other:
            await other.execute("LOCK TABLE public.goods")
            with pytest.raises(TransientError):
                await dry_run.refused(good(GOODS, rows_of((2, "a"))))


@pytest.mark.parametrize("how", ["error", "cancelled", "lost"])
async def test_nothing_is_left_however_it_ends(pool: PgPool, how: str) -> None:
    side = Side(PgSink(pool), PgDryRunTables(pool, 1))
    await side.load(GOODS, rows_of((1, "old")))
    before = await traces(pool)
    opened = asyncio.Event()

    async def run() -> None:
        async with side.open(GOODS) as dry_run:
            await dry_run.refused(good(GOODS, rows_of((1, "a"), (2, "b"))))
            connection = dry_run._connection  # type: ignore[attr-defined]
            opened.set()
            if how == "error":
                raise RuntimeError("of the caller")
            if how == "lost":
                connection.terminate()
                await dry_run.refused(good(GOODS, rows_of((3, "c")), 3))
            await connection.execute("SELECT pg_sleep(600)")

    task = asyncio.create_task(run())
    await opened.wait()
    if how == "cancelled":
        task.cancel()
    with pytest.raises(
        {"error": RuntimeError, "cancelled": asyncio.CancelledError, "lost": TransientError}[how]
    ):
        await task
    # The slot is free again.
    assert await side.dry_run(GOODS, rows_of((1, "a"))) == [(1, "primary-key", "id", "1")]
    async with asyncio.timeout(30):
        while await traces(pool) != before:  # a server needs a moment to see that a session is gone
            await asyncio.sleep(0.01)
    async with AsyncExitStack() as stack:
        for _ in range(4):
            connection = await stack.enter_async_context(pool.acquire())
            assert await connection.fetchval("SHOW enable_seqscan") == "on"


async def test_no_more_dry_runs_than_there_may_be(pool: PgPool) -> None:
    tables = PgDryRunTables(pool, 2, patience=0.05)
    async with tables.open(GOODS), tables.open(GOODS):
        with pytest.raises(ResourceExhaustedError) as caught:
            async with tables.open(GOODS):
                pass
        assert caught.value.reason == "TOO_MANY_DRY_RUNS"
    async with tables.open(GOODS):
        pass


async def test_one_tenant_leaves_places_to_the_others(pool: PgPool, database_url: str) -> None:
    admin = await asyncpg.connect(database_url)
    for name in ("acme", "other"):
        await create_tenant(admin, name)
    await admin.close()
    tables = PgDryRunTables(pool, 4, reserved=2, patience=0.05)
    async with AsyncExitStack() as stack:
        with within("acme"):
            for _ in range(2):
                await stack.enter_async_context(tables.open(GOODS))
            with pytest.raises(ResourceExhaustedError):
                async with tables.open(GOODS):
                    pass
        with within("other"):
            async with tables.open(GOODS):
                pass


# -- whatever the file -----------------------------------------------------------------------------

NUMBERS = st.sampled_from(["1", "1.0", "01", "1e0", "2", "2.00", "3", "4", "5"])
NAMES = st.sampled_from(["a", "b", "c", "d", "no", None])
REFERENCES = st.sampled_from([None, "1", "1.00", "7"])
COLUMNS = (("id", "numeric"), ("name", "text"), ("shop", "numeric"))
FILE = st.lists(st.tuples(NUMBERS, NAMES, REFERENCES), max_size=14)
SETUP = (
    "CREATE TABLE public.shop_{0} (id numeric PRIMARY KEY); INSERT INTO public.shop_{0} VALUES (1);"
    "CREATE TABLE public.t_{0} (id numeric PRIMARY KEY, name text {1} CHECK (name <> 'no'), "
    "shop numeric REFERENCES public.shop_{0}, _row_number bigint, _process_id uuid)"
)


def made(rows: Sequence[tuple[Any, ...]]) -> list[Row]:
    """Rows with names."""
    return [dict(zip(("id", "name", "shop"), row, strict=True)) for row in rows]


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_dry_run_says_what_loading_in_order_says(pool: PgPool, data: st.DataObject) -> None:
    """In every word."""
    there, file = data.draw(FILE, label="there"), data.draw(FILE, label="file")
    size = data.draw(st.integers(1, 6), label="rows of a slice")
    run = f"{uuid.uuid4().int >> 32:x}"
    table = Table("public", f"t_{run}", COLUMNS, ("id",), upsert=data.draw(st.booleans(), label="upsert"))
    side = Side(PgSink(pool), PgDryRunTables(pool, 1))
    several = not table.upsert and data.draw(st.booleans(), label="two keys")
    await pool.execute(SETUP.format(run, "UNIQUE" if several else ""))
    await side.load(table, made(there))
    tried = await side.dry_run(table, made(file), size)
    process = process_after_all_this()  # with an upsert its rows are applied
    loaded: Found = []
    for number, start in enumerate(range(0, len(file), size), 1):
        piece = made(file[start : start + size])
        loaded += await side.load(table, piece, process, number, start + 1)
    await pool.execute(f"DROP TABLE public.t_{run}, public.shop_{run}")

    assert tried == loaded


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_dry_run_holds_the_rule_for_several_keys(pool: PgPool, data: st.DataObject) -> None:
    there, file = data.draw(FILE, label="there"), data.draw(FILE, label="file")
    size = data.draw(st.integers(1, 6), label="rows of a slice")
    run = f"{uuid.uuid4().int:x}"
    table = Table("public", f"t_{run}", COLUMNS, ("id",))
    side = Side(PgSink(pool), PgDryRunTables(pool, 1))
    await pool.execute(SETUP.format(run, "UNIQUE"))
    await side.load(table, made(there))
    rows = await pool.fetch(f"SELECT id, name FROM public.t_{run}")
    tried = await side.dry_run(table, made(file), size)
    await pool.execute(f"DROP TABLE public.t_{run}, public.shop_{run}")

    taken = [{row[0] for row in rows}, {row[1] for row in rows} - {None}]
    expected: Found = []
    for number, (id_, name, shop) in enumerate(file, 1):
        if name == "no":
            expected.append((number, "sink-error", "", ""))
            continue
        values = (Decimal(id_), name)
        lost = [value in known for value, known in zip(values, taken, strict=True)]
        if shop == "7":
            expected.append((number, "foreign-key", "shop", ""))
            continue
        if lost[0]:
            expected.append((number, "primary-key", "id", id_ if id_ not in ("01", "1e0") else "1"))
        elif name and lost[1]:
            expected.append((number, "unique-error", "name", name))
        else:
            for value, known in zip(values, taken, strict=True):
                known |= {value} - {None}
    assert tried == expected


@pytest.mark.parametrize("upsert", [False, True])
async def test_a_key_that_no_index_takes(postgres: Side, upsert: bool) -> None:
    """Its row fails alone, as in the real run."""
    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))
    table = replace(GOODS, unique=(("name",),), upsert=upsert)
    rows = rows_of((1, "a"), (2, long), (3, "b"), (4, "c"))
    for size in (1, 3, 4):
        assert await postgres.dry_run(table, rows, size) == [(2, "sink-error", "", "")]
    assert await postgres.load(table, rows) == [(2, "sink-error", "", "")]
