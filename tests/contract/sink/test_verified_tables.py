"""The rows of a process in its table, compared with those that are expected: each change by hand is found,
and what only looks different is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from ingestor.runtime.postgres.pool import PgPool
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.verification.pg_table import PgVerifiedTables
from ingestor.services.processor.ports import GoodRows, Loaded, Table
from ingestor.services.processor.verification.ports import TableBatch, UnreadableTableError
from tests.contract.sink.batches import PEOPLE, concluding, good, key, new_process

UPSERT = replace(PEOPLE, upsert=True)
THREE = [(1, "Ada"), (2, None), (3, "")]
Rows = Sequence[tuple[int | None, str | None]]


async def put(pool: PgPool, process: str, rows: Rows, table: Table = PEOPLE) -> GoodRows:
    """Load rows of a process, from row 1 on; returns them."""
    of = key(1, rows=len(rows), process=process)
    made = good(of, rows, table)
    await PgSink(pool).load(of, made, concluding(of))
    return made


async def look(pool: PgPool, process: str, expected: GoodRows, last: int = 99) -> tuple[TableBatch, str]:
    """What a verification sees of rows 1 to `last`, and why it does not compare values."""
    of = Loaded(process, "default", (), expected.table, expected.sink)
    async with PgVerifiedTables(pool).open(of, None) as view:
        return await view.between(1, last, expected), view.values_left_out


async def test_rows_that_are_as_they_were_loaded_agree(pool: PgPool) -> None:
    process = new_process()
    rows = await put(pool, process, THREE)
    await put(pool, new_process(), [(4, "Eve")])
    found, why = await look(pool, process, rows)
    assert found.numbers.tolist() == [1, 2, 3]
    assert (dict(found.different), found.replaced, why) == ({}, frozenset(), "")


@pytest.mark.parametrize(
    ("statement", "numbers", "different"),
    [
        ("DELETE FROM people WHERE id = 2", [1, 3], {}),
        ("UPDATE people SET name = 'x' WHERE id = 2", [1, 2, 3], {2: ["name"]}),
        ("UPDATE people SET name = NULL WHERE id = 3", [1, 2, 3], {3: ["name"]}),
        ("UPDATE people SET id = 20, name = 'x' WHERE id = 1", [1, 2, 3], {1: ["id", "name"]}),
        ("INSERT INTO people SELECT 9, name, _row_number, _process_id FROM people WHERE id = 1", [1, 1, 2, 3],
         {1: ["id"]}),
        ("UPDATE people SET _process_id = gen_random_uuid() WHERE id = 1", [2, 3], {}),
    ],
)  # fmt: skip
async def test_what_was_changed_by_hand_is_found(
    pool: PgPool, statement: str, numbers: list[int], different: dict[int, list[str]]
) -> None:
    process = new_process()
    rows = await put(pool, process, THREE)
    await pool.execute(statement)
    found, _ = await look(pool, process, rows)
    assert found.numbers.tolist() == numbers
    assert {number: sorted(set(names)) for number, names in found.different.items()} == different


async def test_rows_whose_key_a_later_row_has_are_replaced(pool: PgPool) -> None:
    first, second = new_process(), new_process()
    rows = await put(pool, first, [(1, "a"), (2, "b"), (3, "c"), (1, "d")], UPSERT)
    await put(pool, second, [(2, "later")], UPSERT)
    await pool.execute("DELETE FROM people WHERE id = 3")
    found, _ = await look(pool, first, rows)
    assert (found.numbers.tolist(), set(found.replaced)) == ([4], {1, 2})
    # A row that somebody else has put there is no later row of the suite.
    await pool.execute(
        "DELETE FROM people WHERE id = 2;"
        "INSERT INTO people VALUES (2, 'x', 0, '00000000-0000-0000-0000-000000000000')"
    )
    assert (await look(pool, first, rows))[0].replaced == {1}


async def test_an_upsert_into_a_table_without_columns_for_the_lineage(pool: PgPool) -> None:
    await pool.execute("CREATE TABLE people (id bigint PRIMARY KEY, name text)")
    first, second = new_process(), new_process()
    rows = await put(pool, first, [(1, "a"), (2, "b")], UPSERT)
    await put(pool, second, [(2, "later")], UPSERT)
    found, why = await look(pool, first, rows)
    assert (found.numbers.tolist(), set(found.replaced), dict(found.different), why) == ([1], {2}, {}, "")
    await pool.execute("UPDATE people SET name = 'x' WHERE id = 1")
    assert dict((await look(pool, first, rows))[0].different) == {1: ["name"]}


async def test_equal_values_agree_however_the_table_writes_them(pool: PgPool) -> None:
    """Columns of a table that somebody has made: fewer digits, padded text, json, which has no equality."""
    await pool.execute(
        "CREATE TABLE things (amount numeric(8, 2), code char(6), doc json, at timestamptz, size real, "
        "_row_number bigint, _process_id uuid)"
    )
    columns = (
        ("amount", "numeric"),
        ("code", "text"),
        ("doc", "jsonb"),
        ("at", "timestamptz"),
        ("size", "numeric"),
    )
    table = Table("public", "things", columns, (), rounding=frozenset({"amount", "size"}))
    process = new_process()
    of = key(1, rows=2, process=process)
    data = pa.table(
        {
            "amount": pa.array(["1.5", "-0"]),
            "code": pa.array(["ab", None]),
            "doc": pa.array(['{"a":  1}', "null"]),
            "at": pa.array([0, None], pa.timestamp("us", "UTC")),
            "size": pa.array(["0.1", "-0"]),
        }
    )
    rows = GoodRows(table, data, np.array([1, 2], np.int64))
    await PgSink(pool).load(of, rows, concluding(of))
    found, why = await look(pool, process, rows)
    assert (found.numbers.tolist(), dict(found.different), why) == ([1, 2], {}, "")
    await pool.execute("UPDATE things SET doc = '{}' WHERE _row_number = 1")
    assert dict((await look(pool, process, rows))[0].different) == {1: ["doc"]}


async def test_values_that_a_trigger_may_have_changed_are_not_compared(pool: PgPool) -> None:
    await pool.execute(
        "CREATE TABLE people (id bigint PRIMARY KEY, name text, _row_number bigint, _process_id uuid);"
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.name = upper(NEW.name); RETURN NEW; END $$;"
        "CREATE TRIGGER shouts BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION shout()"
    )
    process = new_process()
    rows = await put(pool, process, THREE)
    found, why = await look(pool, process, rows)
    assert (found.numbers.tolist(), dict(found.different)) == ([1, 2, 3], {})
    assert "trigger" in why


async def test_a_column_that_is_gone(pool: PgPool) -> None:
    process = new_process()
    rows = await put(pool, process, THREE)
    await pool.execute("ALTER TABLE people DROP COLUMN name")
    _, why = await look(pool, process, rows)
    assert why == "Values were not compared: the table public.people no longer has name."


async def test_chosen_rows_and_rows_beyond_the_file(pool: PgPool) -> None:
    process = new_process()
    rows = await put(pool, process, THREE)
    await pool.execute("UPDATE people SET _row_number = 1000 WHERE id = 3; UPDATE people SET name = 'x'")
    of = Loaded(process, "default", (), PEOPLE, rows.sink)
    async with PgVerifiedTables(pool).open(of, None) as view:
        assert await view.beyond(3, 10) == (1, [1000])
        found = await view.chosen(np.array([2, 3], np.int64), rows)
        assert found.numbers.tolist() == [2]
    async with PgVerifiedTables(pool).open(of, [1, 7]) as view:
        assert (await view.between(1, 99, None)).numbers.tolist() == [1]


async def test_what_cannot_be_read_says_why(pool: PgPool) -> None:
    process = new_process()
    rows = good(key(1, rows=3), THREE)
    with pytest.raises(UnreadableTableError, match=r"no table public\.people") as none:
        await look(pool, process, rows)
    assert none.value.gone
    await pool.execute("CREATE TABLE people (id bigint PRIMARY KEY, name text)")
    with pytest.raises(UnreadableTableError, match="no columns _process_id and _row_number") as unknown:
        await look(pool, process, rows)
    assert not unknown.value.gone


async def test_nothing_is_left_behind_and_no_lock_is_held(pool: PgPool) -> None:
    process = new_process()
    rows = await put(pool, process, THREE)
    of = Loaded(process, "default", (), PEOPLE, rows.sink)
    async with PgVerifiedTables(pool).open(of, None) as view:
        await view.between(1, 2, rows)
        await pool.execute("SET LOCAL lock_timeout = '1s'; ALTER TABLE people ADD COLUMN more text")
        assert (await view.between(1, 3, rows)).numbers.tolist() == [1, 2, 3]
    left = "SELECT count(*) FROM pg_class WHERE relname IN ('ingestor_found', 'ingestor_expected')"
    assert await pool.fetchval(left) == 0
