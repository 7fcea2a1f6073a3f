"""What every sink does: each batch has its effect once, refused rows are told, good ones are loaded."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import numpy as np
import pytest

from ingestor.outcomes import DisplacedRow, RowError
from ingestor.runtime.postgres.pool import savepoint
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.batches import (
    BatchKey,
    BatchOutcome,
    failed_outcome,
    unprocessed_outcome,
)
from ingestor.services.processor.ports import ForeignKey, GoodRows, Refused, SinkRefusedError, Table
from tests.contract.sink.batches import PEOPLE, concluding, good, key, new_process
from tests.fakes.sink import MemorySink

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

    AnySink = PgSink | MemorySink

KEYLESS = replace(PEOPLE, primary_key=())
NOTES = Table("public", "notes", (("id", "bigint"), ("name", "text")), ())


@pytest.fixture(params=["postgres", "memory"])
def sink(request: pytest.FixtureRequest) -> AnySink:
    """A sink."""
    return PgSink(request.getfixturevalue("pool")) if request.param == "postgres" else MemorySink()


async def content(sink: AnySink, table: str = "people") -> list[tuple[Any, ...]]:
    """Rows of a table as (id, name, row number), in the order of the file."""
    if isinstance(sink, PgSink):
        if not await sink._pool.fetchval("SELECT to_regclass($1)", f"public.{table}"):
            return []
        rows = await sink._pool.fetch(f"SELECT id, name, _row_number FROM public.{table}")
        found = [tuple(row) for row in rows]
    else:
        found = [(row["id"], row["name"], row["_row_number"]) for row in sink.tables.get(table, [])]
    return sorted(found, key=lambda row: row[2])


async def load(
    sink: AnySink, of: BatchKey, values: Sequence[tuple[int | None, str | None]], table: Table = PEOPLE
) -> BatchOutcome | None:
    """Load rows; the outcome."""
    return (await sink.load(of, good(of, values, table), concluding(of))).outcome


async def test_rows_are_loaded_with_their_lineage(sink: AnySink) -> None:
    batch = key()
    odd = 'line\nbreak, "quotes" and \\ and ; ünïcode 🎈'
    outcome = await load(sink, batch, [(1, odd), (2, ""), (3, None)])
    assert outcome == BatchOutcome(batch, "succeeded", 3, 0, 0, ())
    assert await content(sink) == [(1, odd, 1), (2, "", 2), (3, None, 3)]


async def test_a_batch_has_its_effect_once(sink: AnySink) -> None:
    batch = key()
    first = await load(sink, batch, [(1, "a"), (2, "b"), (3, "c")])
    again = await load(sink, batch, [(4, "d"), (5, "e"), (6, "f")])
    assert again == first  # status may not know it yet
    await sink.forget_outcome(batch)
    await sink.forget_outcome(batch)
    assert await load(sink, batch, [(7, "g"), (8, "h"), (9, "i")]) is None
    assert [row[0] for row in await content(sink)] == [1, 2, 3]


async def test_the_same_batch_at_the_same_time(sink: AnySink) -> None:
    batch = key()
    values = [(1, "a"), (2, "b"), (3, "c")]
    outcomes = await asyncio.gather(*(load(sink, batch, values, NOTES) for _ in range(6)))
    assert len(set(outcomes)) == 1
    assert len(await content(sink, "notes")) == 3


async def test_many_batches_at_the_same_time_make_one_table(sink: AnySink) -> None:
    process = new_process()
    batches = [key(number, process=process) for number in range(1, 9)]
    await asyncio.gather(
        *(load(sink, of, [(of.range.first_row + n, "x") for n in range(3)]) for of in batches)
    )
    assert [row[2] for row in await content(sink)] == list(range(1, 25))


async def test_a_key_that_is_taken_is_refused(sink: AnySink) -> None:
    before, batch = key(), key(rows=4)
    await load(sink, before, [(1, "old"), (2, "old"), (3, "old")])
    outcome = await load(sink, batch, [(2, "x"), (10, "first"), (10, "second"), (11, "y")])
    assert outcome is not None
    assert (outcome.succeeded, outcome.failed) == (2, 2)
    assert [(row.row_number, row.errors[0].code, row.errors[0].field) for row in outcome.rows] == [
        (1, "primary-key", "id"), (3, "primary-key", "id")
    ]  # fmt: skip
    assert "same id" in outcome.rows[0].errors[0].message
    assert sorted(row[:2] for row in await content(sink)) == [
        (1, "old"), (2, "old"), (3, "old"), (10, "first"), (11, "y")
    ]  # fmt: skip
    assert await load(sink, batch, []) == outcome  # with its rows


async def test_the_first_row_of_a_file_wins(sink: AnySink) -> None:
    """Also when its batch is loaded last: the later row is displaced, and its batch is not told so."""
    process = new_process()
    third, second, first = (key(number, process=process) for number in (3, 2, 1))
    last = await load(sink, third, [(1, "7"), (2, "8"), (3, "9")])
    middle = await load(sink, second, [(4, "4"), (2, "5"), (2, "6")])
    outcome = await load(sink, first, [(2, "1"), (5, "2"), (1, "3")])
    assert last == BatchOutcome(third, "succeeded", 3, 0, 0, ())
    message = "The table already has a row with the same id."

    def displaced(number: int, value: str) -> DisplacedRow:
        return DisplacedRow(number, RowError("primary-key", "id", value, message, "load"))

    assert middle is not None
    assert [(row.row_number, row.errors[0].value) for row in middle.rows] == [(6, "2")]
    assert middle.displaced == (displaced(8, "2"),)
    assert outcome is not None
    assert (outcome.rows, outcome.displaced) == ((), (displaced(5, "2"), displaced(7, "1")))
    found = [(2, "1", 1), (5, "2", 2), (1, "3", 3), (4, "4", 4), (3, "9", 9)]
    assert await content(sink) == found
    for of, known in ((first, outcome), (second, middle), (third, last)):
        assert await load(sink, of, []) == known
    assert await content(sink) == found


@pytest.mark.parametrize("earlier", [True, False], ids=["of an earlier process", "of a later process"])
async def test_the_row_of_another_process_stays(sink: AnySink, earlier: bool) -> None:
    """Whichever was sent first; beside a row that displaces one of its own file."""
    processes = [new_process(), new_process()]
    there, process = processes if earlier else reversed(processes)
    await load(sink, key(2, process=there), [(1, "t4"), (2, "t5"), (3, "t6")])
    await load(sink, key(2, process=process), [(4, "4"), (5, "5"), (6, "6")])
    outcome = await load(sink, key(1, process=process), [(1, "1"), (4, "2"), (7, "3")])
    assert outcome is not None
    assert [(row.row_number, row.errors[0].code, row.errors[0].value) for row in outcome.rows] == [
        (1, "primary-key", "1")
    ]  # fmt: skip
    assert [(row.row_number, row.error.value) for row in outcome.displaced] == [(4, "4")]
    found = sorted(row[1] or "" for row in await content(sink))
    assert found == ["2", "3", "5", "6", "t4", "t5", "t6"]


async def test_what_stays_in_the_table(sink: AnySink) -> None:
    """Rows that a repair meets, and rows that a repair has loaded."""
    process = new_process()
    await load(sink, key(3, process=process), [(4, "7"), (5, "8"), (6, "9")])
    await load(sink, key(2, process=process), [(1, "4"), (4, "5"), (7, "6")])
    repair = key()
    rows = replace(good(repair, [(5, "2"), (8, "11")]), repairs=process, row_numbers=np.array([2, 11]))
    repaired = (await sink.load(repair, rows, concluding(repair))).outcome
    assert repaired is not None
    assert ([row.row_number for row in repaired.rows], repaired.displaced) == ([1], ())
    late = await load(sink, key(1, process=process), [(8, "1"), (9, "2"), (10, "3")])
    assert late is not None
    assert ([row.row_number for row in late.rows], late.displaced) == ([1], ())
    assert (8, "11", 11) in await content(sink)


async def test_a_settled_batch_is_never_loaded(sink: AnySink) -> None:
    batch = key()
    problem = RowError("batch-error", "", "", "Dead.", "load")
    settled = (await sink.settle(failed_outcome(batch, problem))).outcome
    assert settled == failed_outcome(batch, problem)
    assert await load(sink, batch, [(1, "a"), (2, "b"), (3, "c")]) == settled
    assert await content(sink) == []
    await sink.forget_outcome(batch)
    assert (await sink.settle(unprocessed_outcome(batch))).outcome is None


async def test_a_loaded_batch_cannot_be_settled(sink: AnySink) -> None:
    batch = key()
    loaded = await load(sink, batch, [(1, "a"), (2, "b"), (3, "c")])
    assert (await sink.settle(unprocessed_outcome(batch))).outcome == loaded


async def test_no_good_rows(sink: AnySink) -> None:
    batch = key(rows=0)
    assert await load(sink, batch, []) == BatchOutcome(batch, "succeeded", 0, 0, 0, ())
    assert await content(sink) == []


async def test_an_error_while_concluding_undoes_all(pool: PgPool) -> None:
    """As a crash before the commit does."""
    sink, batch = PgSink(pool), key()

    def conclude(refused: Sequence[Refused]) -> BatchOutcome:
        raise RuntimeError("crash")

    rows = good(batch, [(1, "a"), (2, "b"), (3, "c")])
    with pytest.raises(RuntimeError, match="crash"):
        await sink.load(batch, rows, conclude)
    assert await pool.fetchval("SELECT to_regclass('public.people')") is None
    outcome = await load(sink, batch, [(1, "a"), (2, "b"), (3, "c")])
    assert outcome is not None
    assert outcome.succeeded == 3


PRICES = Table("public", "prices", (("id", "bigint"), ("name", "text")), ("id",), upsert=True)


async def test_an_upsert_keeps_the_last(sink: AnySink) -> None:
    early, late = (str(uuid.UUID(int=number)) for number in (1, 2))
    outcome = await load(sink, key(2, process=early), [(1, "b"), (2, "b"), (1, "last")], PRICES)
    assert outcome is not None
    assert (outcome.succeeded, outcome.failed) == (3, 0)
    await load(sink, key(1, process=early), [(1, "first"), (3, "first"), (2, "first")], PRICES)
    found = sorted(await content(sink, "prices"))
    assert found == [(1, "last", 6), (2, "b", 5), (3, "first", 2)]
    await load(sink, key(1, process=late), [(2, "late"), (4, "late"), (4, "later")], PRICES)
    await load(sink, key(3, process=early), [(2, "too early"), (5, "new"), (6, None)], PRICES)
    found = sorted(await content(sink, "prices"))
    assert [row[:2] for row in found] == [
        (1, "last"), (2, "late"), (3, "first"), (4, "later"), (5, "new"), (6, None)
    ]  # fmt: skip


# -- what only a real database does ----------------------------------------------------------------


async def test_a_row_that_the_table_refuses_displaces_none(pool: PgPool) -> None:
    """It has no place in the table, so the later row with its key has it; beside one that displaces."""
    await pool.execute("CREATE TABLE public.places (code text PRIMARY KEY)")
    await pool.execute("INSERT INTO public.places VALUES ('a')")
    table = replace(PEOPLE, foreign=(ForeignKey(("name",), ("public", "places"), ("code",)),))
    process = new_process()
    await load(PgSink(pool), key(2, process=process), [(1, "a"), (2, "a"), (3, "a")], table)
    outcome = await load(PgSink(pool), key(1, process=process), [(1, "b"), (2, "a"), (1, "c")], table)
    assert outcome is not None
    assert [(row.row_number, row.errors[0].code) for row in outcome.rows] == [
        (1, "foreign-key"), (3, "foreign-key")
    ]  # fmt: skip
    assert [row.row_number for row in outcome.displaced] == [5]
    assert await content(PgSink(pool)) == [(2, "a", 2), (1, "a", 4), (3, "a", 6)]


MADE = "CREATE TABLE public.people ({}, _row_number bigint, _process_id uuid)"


@pytest.mark.parametrize(
    ("columns", "then", "first_wins"),
    [
        ("id bigint PRIMARY KEY, name text", "", True),
        ("place serial PRIMARY KEY, id bigint UNIQUE, name text", "", True),
        ("id bigint PRIMARY KEY, name text UNIQUE", "", True),
        ("id bigint PRIMARY KEY, name text UNIQUE",
         "CREATE TABLE public.pets (owner bigint REFERENCES public.people ON DELETE CASCADE)", True),
        ("id bigint PRIMARY KEY, name text", "CREATE UNIQUE INDEX ON public.people (lower(name))", True),
        ("id bigint UNIQUE, name text", "CREATE UNIQUE INDEX ON public.people (lower(name))", False),
        ("id bigint UNIQUE, name text UNIQUE", "", False),
        ("id bigint PRIMARY KEY, name text", "RIGHTS", False),
    ],
)  # fmt: skip
async def test_where_the_first_row_wins(
    pool: PgPool, database_url: str, columns: str, then: str, first_wins: bool
) -> None:
    """By the primary key or the only unique one, with the right to change the table; else what was loaded
    first stays."""
    if then == "RIGHTS":  # somebody else's table, to which rows may only be added
        owner = await asyncpg.connect(database_url)
        await owner.execute(MADE.format(columns))
        role = await pool.fetchval("SELECT current_user")
        await owner.execute(f"GRANT SELECT, INSERT ON public.people TO {role}")
        await owner.close()
    else:
        await pool.execute(MADE.format(columns))
        if then:
            await pool.execute(then)
    process = new_process()
    await load(PgSink(pool), key(2, process=process), [(1, "d"), (2, "e"), (3, "f")])
    outcome = await load(PgSink(pool), key(1, process=process), [(4, "a"), (1, "b"), (6, "c")])
    assert outcome is not None
    refused, displaced = [row.row_number for row in outcome.rows], [r.row_number for r in outcome.displaced]
    assert (refused, displaced) == (([], [4]) if first_wins else ([2], []))
    here = [(1, "b", 2)] if first_wins else [(1, "d", 4)]
    assert await content(PgSink(pool)) == sorted(
        [(4, "a", 1), (6, "c", 3), (2, "e", 5), (3, "f", 6), *here], key=lambda row: row[2]
    )


async def test_rows_that_a_constraint_refuses_are_found(pool: PgPool) -> None:
    """A table that somebody else made, with rules of its own: three of a thousand rows break them."""
    await pool.execute(
        "CREATE TABLE public.people (id bigint PRIMARY KEY, name text CONSTRAINT polite CHECK (name <> 'no') "
        "NOT NULL, _row_number bigint, _process_id uuid)"
    )
    batch = key(rows=1000)
    values: list[tuple[int | None, str | None]] = [(number, "yes") for number in range(1000)]
    values[17], values[18], values[999] = (17, "no"), (18, None), (0, "taken")
    outcome = await load(PgSink(pool), batch, values)
    assert outcome is not None
    assert (outcome.succeeded, outcome.failed) == (997, 3)
    assert [(row.row_number, row.errors[0].code, row.errors[0].message) for row in outcome.rows] == [
        (18, "sink-error", "The table's constraint polite refuses the row."),
        (19, "sink-error", "The table refuses the value of the column name."),
        (1000, "primary-key", "The table already has a row with the same id."),
    ]
    assert await pool.fetchval("SELECT count(*) FROM public.people") == 997


async def test_thousands_of_rows_that_a_table_refuses(pool: PgPool) -> None:
    """Each for the first of its reasons in PostgreSQL's order; those have no right to a key."""
    await pool.execute("CREATE TABLE public.places (code text PRIMARY KEY)")
    await pool.execute("INSERT INTO public.places VALUES ('a')")
    await pool.execute(
        MADE.format(
            "id bigint CHECK (id <> 2) CONSTRAINT small CHECK (id < 100000), place serial NOT NULL, "
            "name text NOT NULL REFERENCES public.places, number bigint GENERATED ALWAYS AS IDENTITY, "
            "UNIQUE (id)"
        )
    )
    kinds: list[tuple[int | None, str | None]] = [
        (7, "b"), (7, "a"), (None, "a"), (7, "a"), (None, None), (2, None), (2, "b"), (100_000, "b"),
        (None, "b"),
    ]  # fmt: skip
    batch = key(rows=len(kinds) * 2000)
    outcome = await load(PgSink(pool), batch, kinds * 2000, KEYLESS)
    assert outcome is not None
    found = {
        row.row_number: (row.errors[0].code, row.errors[0].field, row.errors[0].message)
        for row in outcome.rows
    }
    reference = ("foreign-key", "name", "The table that name refers to has no such row.")
    taken = ("unique-error", "id", "The table already has a row with the same id.")
    null = ("sink-error", "name", "The table refuses the value of the column name.")
    expected = [
        reference, taken, None, taken, null, null,
        ("sink-error", "", "The table's constraint people_id_check refuses the row."),
        ("sink-error", "", "The table's constraint small refuses the row."), reference,
    ]  # fmt: skip
    assert found == {
        number: reason
        for number in range(1, batch.range.row_count + 1)
        if number != 2 and (reason := expected[(number - 1) % len(expected)])
    }
    rows = await pool.fetch("SELECT id, count(*) FROM public.people GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [(7, 1), (None, 2000)]


async def test_a_reference_to_a_table_in_parts(pool: PgPool) -> None:
    """PostgreSQL has the foreign key once more for each partition; the row has to be in one of them."""
    await pool.execute("CREATE TABLE public.places (code text PRIMARY KEY) PARTITION BY LIST (code)")
    for code in ("a", "b"):
        await pool.execute(
            f"CREATE TABLE public.places_{code} PARTITION OF public.places FOR VALUES IN ('{code}')"
        )
        await pool.execute(f"INSERT INTO public.places VALUES ('{code}')")
    table = replace(KEYLESS, foreign=(ForeignKey(("name",), ("public", "places"), ("code",)),))
    batch = key()
    outcome = await load(PgSink(pool), batch, [(1, "a"), (2, "c"), (3, "b")], table)
    assert outcome is not None
    assert [(row.row_number, row.errors[0].code) for row in outcome.rows] == [(2, "foreign-key")]


async def test_rows_that_only_the_insert_shows_to_be_wrong(pool: PgPool) -> None:
    """A check without a value for some rows, and a trigger: found by halves."""
    await pool.execute(
        MADE.format(
            "id bigint CONSTRAINT odd CHECK (10 / id > 0), name text CONSTRAINT long CHECK (name <> '')"
        )
    )
    await pool.execute(
        "CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.name = 'no' THEN "
        "RAISE 'never' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$"
    )
    await pool.execute(
        "CREATE TRIGGER look BEFORE INSERT ON public.people FOR EACH ROW EXECUTE FUNCTION public.look()"
    )
    values: list[tuple[int | None, str | None]] = [
        (5, "a"), (0, "b"), (5, "no"), (50, "c"), (None, ""), (5, "d")
    ]  # fmt: skip
    batch = key(rows=len(values) * 100)
    outcome = await load(PgSink(pool), batch, values * 100, KEYLESS)
    assert outcome is not None
    assert {(row.row_number - 1) % 6: row.errors[0].message for row in outcome.rows} == {
        1: "The table refuses the row: division by zero.",
        2: "never",
        3: "The table's constraint odd refuses the row.",
        4: "The table's constraint long refuses the row.",
    }
    assert (outcome.succeeded, outcome.failed) == (200, 400)
    assert await pool.fetchval("SELECT count(*) FROM public.people WHERE id = 5") == 200


async def test_a_key_that_no_index_takes(pool: PgPool) -> None:
    """Its row fails alone."""
    table = replace(PEOPLE, unique=(("name",),))
    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))
    batch = key(rows=4)
    outcome = await load(PgSink(pool), batch, [(1, "a"), (2, long), (3, "a"), (4, "b")], table)
    assert outcome is not None
    assert [(row.row_number, row.errors[0].message) for row in outcome.rows] == [
        (2, "A value is too long for an index of the table."),
        (3, "The table already has a row with the same name."),
    ]


async def test_savepoints_do_not_pile_up(pool: PgPool) -> None:
    """One that is rolled back is gone, with its lock."""
    await pool.execute("CREATE TABLE public.kept (n integer)")
    async with pool.transaction() as connection:
        for number in range(100):
            try:
                async with savepoint(connection):
                    await connection.execute("INSERT INTO public.kept VALUES ($1)", number)
                    if number % 2:
                        raise LookupError
            except LookupError:
                continue
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND pid = pg_backend_pid()"
        assert await connection.fetchval(locks) == 1
        assert await connection.fetchval("SELECT count(*) FROM public.kept") == 50


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("id bigint, _row_number bigint, _process_id uuid", "no column name"),
        ("id date, name text, _row_number bigint, _process_id uuid", "column id .* is date, .* no integer"),
        (
            "id bigint PRIMARY KEY, name text, _row_number int, _process_id uuid",
            "column _row_number .* must be bigint, since",
        ),
        ("id bigint, name text, _row_number bigint, _process_id uuid", "no unique index of just id"),
        (
            "id bigint, name text, _row_number bigint, _process_id uuid, UNIQUE (id, name)",
            "no unique index of just id",
        ),
    ],
)
async def test_a_table_that_does_not_fit(pool: PgPool, columns: str, message: str) -> None:
    await pool.execute(f"CREATE TABLE public.people ({columns})")
    batch = key()
    with pytest.raises(SinkRefusedError, match=message):
        await load(PgSink(pool), batch, [(1, "a"), (2, "b"), (3, "c")])
    assert await pool.fetchval("SELECT count(*) FROM processor.applied_batches") == 0


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_the_order_the_same_row_wins(pool: PgPool, seed: int) -> None:
    """Two processes of twelve batches, delivered in any order, some twice, by four processors at once."""
    shuffle = random.Random(seed)
    processes = [str(uuid.UUID(int=number)) for number in (1, 2)]
    deliveries = []
    expected: dict[int, tuple[str, int]] = {}
    for process in processes:
        for number in range(1, 13):
            of = key(number, rows=20, process=process)
            values = [
                ((process_row * 7919) % 61, f"{process[-1]}:{process_row}")
                for process_row in range(of.range.first_row, of.range.first_row + 20)
            ]
            for row, (id_, name) in enumerate(values, of.range.first_row):
                expected[id_] = (name, row)
            deliveries += [(of, values)] * shuffle.choice([1, 1, 2])
    shuffle.shuffle(deliveries)
    sinks = [PgSink(pool) for _ in range(4)]
    waiting = iter(deliveries)

    async def work(sink: PgSink) -> None:
        for of, values in waiting:
            await load(sink, of, values, PRICES)

    await asyncio.gather(*map(work, sinks))
    found = {row[0]: (row[1], row[2]) for row in await content(sinks[0], "prices")}
    assert found == expected


async def test_unique_columns_and_foreign_keys(pool: PgPool) -> None:
    """Made with the table, and each bad row is found; only two of a thousand are."""
    await pool.execute(
        "CREATE TABLE public.places (code text PRIMARY KEY); INSERT INTO places VALUES ('a')".replace(
            "INTO places", "INTO public.places"
        )
    )
    table = Table(
        "public", "visits", (("id", "bigint"), ("name", "text")), (), unique=(("id",),),
        foreign=(ForeignKey(("name",), ("public", "places"), ("code",)),),
    )  # fmt: skip
    values: list[tuple[int | None, str | None]] = [(number, "a") for number in range(1000)]
    values[10], values[500], values[501] = (10, "b"), (9, "a"), (None, None)
    outcome = await load(PgSink(pool), key(rows=1000), values, table)
    assert outcome is not None
    assert [(row.row_number, row.errors[0].code, row.errors[0].field) for row in outcome.rows] == [
        (11, "foreign-key", "name"), (501, "unique-error", "id")
    ]  # fmt: skip
    assert outcome.rows[0].errors[0].message == "The table that name refers to has no such row."
    await pool.execute("ALTER TABLE public.visits DROP CONSTRAINT visits_name_fkey")
    with pytest.raises(SinkRefusedError, match="no foreign key of just name"):
        await load(PgSink(pool), key(), [(2000, "a"), (2001, "a"), (2002, "a")], table)


@pytest.mark.parametrize(
    ("index", "fits"),
    [("(id)", True), ("(id) INCLUDE (name)", True), ("(abs(id))", False), ("(id, lower(name))", False),
     ("(id) WHERE id > 0", False)],
)  # fmt: skip
async def test_which_index_holds_a_key(pool: PgPool, index: str, fits: bool) -> None:
    await pool.execute(
        "CREATE TABLE public.people (id bigint, name text, _row_number bigint, _process_id uuid); "
        f"CREATE UNIQUE INDEX ON public.people {index}"
    )
    loading = load(PgSink(pool), key(), [(1, "a"), (1, "b"), (2, "c")])
    if fits:
        outcome = await loading
        assert outcome is not None
        assert [row.row_number for row in outcome.rows] == [2]
    else:
        with pytest.raises(SinkRefusedError, match="no unique index of just id"):
            await loading


async def test_an_upsert_needs_an_index(pool: PgPool) -> None:
    await pool.execute(
        "CREATE TABLE public.prices (id bigint, name text, _row_number bigint, _process_id uuid)"
    )
    with pytest.raises(SinkRefusedError, match="no unique index of just id"):
        await load(PgSink(pool), key(), [(1, "a"), (2, "b"), (3, "c")], PRICES)


async def test_an_upsert_refuses_only_what_the_table_refuses(pool: PgPool) -> None:
    await pool.execute(
        "CREATE TABLE public.prices (id bigint PRIMARY KEY, name text CHECK (name <> 'no') UNIQUE, "
        "_row_number bigint, _process_id uuid)"
    )
    outcome = await load(
        PgSink(pool), key(rows=5), [(1, "a"), (2, "no"), (3, "a"), (5, "c"), (4, "d")], PRICES
    )
    assert outcome is not None
    assert [(row.row_number, row.errors[0].code) for row in outcome.rows] == [
        (2, "sink-error"), (3, "unique-error")
    ]  # fmt: skip


async def test_a_table_without_the_right_to_write(pool: PgPool, database_url: str) -> None:
    admin = await asyncpg.connect(database_url)
    try:
        await admin.execute(
            "CREATE TABLE public.people (id bigint PRIMARY KEY, name text, _row_number bigint, "
            "_process_id uuid)"
        )
    finally:
        await admin.close()
    with pytest.raises(SinkRefusedError, match=r"lacks the right INSERT .*: GRANT INSERT ON public\.people"):
        await load(PgSink(pool), key(), [(1, "a"), (2, "b"), (3, "c")])


async def test_a_table_that_was_dropped_is_made_again(pool: PgPool) -> None:
    sink = PgSink(pool)
    await load(sink, key(), [(1, "a"), (2, "b"), (3, "c")])
    await pool.execute("DROP TABLE public.people")
    assert await load(sink, key(), [(1, "a"), (2, "b"), (3, "c")]) is not None
    assert len(await content(sink)) == 3


async def test_names_are_quoted(pool: PgPool) -> None:
    table = Table("public", 'we"ird; DROP', (("id", "bigint"), ("name", "text")), ("id",))
    outcome = await load(PgSink(pool), key(), [(1, "a"), (1, "b"), (2, "c")], table)
    assert outcome is not None
    assert (outcome.succeeded, outcome.failed) == (2, 1)
    assert await pool.fetchval('SELECT count(*) FROM public."we""ird; DROP"') == 2


def again(
    parent: str,
    numbers: Sequence[int],
    values: Sequence[tuple[int | None, str | None]],
    table: Table = PEOPLE,
) -> tuple[BatchKey, GoodRows]:
    """A batch of a repair of these rows of a process."""
    of = key(rows=len(numbers))
    return of, replace(good(of, values, table), row_numbers=np.array(numbers, np.int64), repairs=parent)


async def repair(
    sink: AnySink, parent: str, numbers: Sequence[int], values: Sequence[tuple[int | None, str | None]]
) -> BatchOutcome:
    """Load rows of a repair; the outcome."""
    of, rows = again(parent, numbers, values)
    outcome = (await sink.load(of, rows, concluding(of))).outcome
    assert outcome is not None
    return outcome


async def test_rows_of_a_repair_are_rows_of_the_process_that_is_repaired(sink: AnySink) -> None:
    parent = str(uuid.uuid4())
    outcome = await repair(sink, parent, [70, 5], [(1, "late"), (2, "early")])
    assert (outcome.succeeded, outcome.failed, outcome.skipped) == (2, 0, 0)
    assert await content(sink) == [(2, "early", 5), (1, "late", 70)]
    if isinstance(sink, PgSink):
        found = await sink._pool.fetch("SELECT DISTINCT _process_id::text FROM public.people")
        assert [tuple(row) for row in found] == [(parent,)]


async def test_a_failed_row_is_loaded_by_one_repair_only(sink: AnySink) -> None:
    parent = str(uuid.uuid4())
    assert (await repair(sink, parent, [3, 4], [(3, "a"), (4, "a")])).succeeded == 2
    outcome = await repair(sink, parent, [2, 3, 4, 5], [(2, "b"), (33, "b"), (44, "b"), (5, "b")])
    assert (outcome.succeeded, outcome.failed, outcome.skipped) == (2, 0, 2)
    assert [(row.row_number, row.state, row.errors[0].code) for row in outcome.rows] == [
        (2, "skipped", "not-failed"), (3, "skipped", "not-failed"),
    ]  # fmt: skip
    assert await content(sink) == [(2, "b", 2), (3, "a", 3), (4, "a", 4), (5, "b", 5)]
    # Another process has rows of the same numbers.
    assert (await repair(sink, str(uuid.uuid4()), [3], [(30, "c")])).succeeded == 1


async def test_a_row_that_the_sink_refuses_may_come_again(sink: AnySink) -> None:
    parent = str(uuid.uuid4())
    await load(sink, key(rows=1), [(7, "there")])
    outcome = await repair(sink, parent, [12, 11], [(7, "no"), (8, "yes")])
    assert [(row.row_number, row.state, row.errors[0].code) for row in outcome.rows] == [
        (1, "failed", "primary-key")
    ]
    assert (await repair(sink, parent, [12], [(9, "better")])).succeeded == 1
    assert (await repair(sink, parent, [12], [(10, "late")])).skipped == 1
    assert (await repair(sink, parent, [11], [(11, "late")])).skipped == 1


async def test_a_repairs_batch_that_is_delivered_twice_has_its_effect_once(sink: AnySink) -> None:
    of, rows = again(str(uuid.uuid4()), [1, 2], [(1, "a"), (2, "b")], NOTES)
    first = await sink.load(of, rows, concluding(of))
    assert await sink.load(of, rows, concluding(of)) == first
    assert len(await content(sink, "notes")) == 2


async def test_repairs_of_the_same_rows_at_once(pool: PgPool) -> None:
    """In opposite orders, over a table that takes every row: each row is there once."""
    sink, parent, count = PgSink(pool), str(uuid.uuid4()), 500
    await load(sink, key(), [(0, "x")], NOTES)  # the table is made

    async def one(seed: int) -> int:
        numbers = list(range(1, count + 1))
        random.Random(seed).shuffle(numbers)
        total = 0
        for start in range(0, count, 100):
            some = numbers[start : start + 100]
            of, rows = again(parent, some, [(number, f"by {seed}") for number in some], NOTES)
            outcome = (await sink.load(of, rows, concluding(of))).outcome
            assert outcome is not None
            assert outcome.succeeded + outcome.skipped == 100
            total += outcome.succeeded
        return total

    loaded = await asyncio.gather(*(one(seed) for seed in range(5)))
    assert sum(loaded) == count
    query = "SELECT count(*), count(DISTINCT _row_number) FROM public.notes WHERE _process_id = $1"
    (found,) = await pool.fetch(query, parent)
    assert tuple(found) == (count, count)
