"""Rows that an upsert has replaced: how they are kept, and what an earlier release has kept."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest

from ingestor.access.scope import row_security
from ingestor.runtime.postgres.pool import PgPool
from ingestor.services.processor.adapters.postgres.upserts import kept_rows, upsert
from ingestor.services.processor.adapters.tenant_pool import TenantPool
from tests.contract.sink.test_undo import UPSERT, PgEnds, names, process, put, undo

# What the release before keeps a row with, and reads it by.
KEEP_AS_BEFORE = """
INSERT INTO processor.replaced_rows (tenant, process_id, replaced_by, row)
SELECT 'default', $1::uuid, $2::uuid, row_to_json(t) FROM (
    SELECT 1 AS id, $3::text AS name, 1 AS _row_number, $1::uuid AS _process_id) t
"""
READ_AS_BEFORE = """
SELECT r.* FROM processor.replaced_rows v
CROSS JOIN LATERAL json_populate_record(NULL::public.people, v.row) r WHERE v.replaced_by = $1
"""
STYLES = "SET LOCAL intervalstyle = 'sql_standard'; SET LOCAL extra_float_digits = -3"
PACKS = "SELECT cardinality(packed) FROM processor.replaced_rows ORDER BY 1"


async def sizes(pool: PgPool) -> list[int]:
    """Of the packs."""
    return [row[0] for row in await pool.fetch(PACKS)]


@pytest.fixture(params=["at once", "before PostgreSQL 18"])
def release(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are replaced by one statement, or as by an older PostgreSQL."""
    if request.param != "at once":
        monkeypatch.setattr(upsert, "_RETURNS_OLD", 99)


@pytest.mark.usefixtures("release")
async def test_many_rows_are_kept_together_and_a_long_one_alone(pool: PgPool) -> None:
    ends = PgEnds(pool)
    before = {**{number: f"old {number}" for number in range(8)}, 50: "long" * 1000, 51: 'odd "\\,()\n'}
    await put(ends, 1, [*before.items()])
    await put(ends, 2, [(number, "new") for number in before])
    assert await sizes(pool) == [1, 9]
    await put(ends, 3, [(number, "newer") for number in (1, 50)])
    assert await undo(ends, 2) == (0, 8, 2)
    assert await names(ends) == before | {1: "newer", 50: "newer"}
    assert await sizes(pool) == [1, 1]
    assert await undo(ends, 3) == (0, 2, 0)
    assert await names(ends) == before
    assert await sizes(pool) == []


async def test_what_the_release_before_has_kept_is_set_back(pool: PgPool) -> None:
    ends = PgEnds(pool)
    await put(ends, 3, [(1, "third"), (2, "third")])
    await pool.execute(KEEP_AS_BEFORE, process(1), process(3), "first, kept before")
    await put(ends, 2, [(1, "second")])
    assert await undo(ends, 2) == (0, 0, 1)
    await put(ends, 4, [(1, "fourth"), (2, "fourth")])
    assert await undo(ends, 3) == (0, 0, 2)
    assert await undo(ends, 4) == (1, 1, 0)
    assert await names(ends) == {1: "first, kept before"}
    assert (await ends.counts())[1] == 0


async def test_the_release_before_refuses_what_it_cannot_read(pool: PgPool) -> None:
    """Else its undo would take the rows out and set none back."""
    ends = PgEnds(pool)
    await put(ends, 1, [(1, "old")])
    await put(ends, 2, [(1, "new")])
    with pytest.raises(asyncpg.PostgresError, match="scalar"):
        await pool.fetch(READ_AS_BEFORE, process(2))


@pytest.mark.usefixtures("release")
async def test_the_notation_of_a_database_does_not_matter(pool: PgPool) -> None:
    ends = PgEnds(pool)
    await pool.execute(
        "CREATE TABLE public.people (id bigint PRIMARY KEY, name text, d date DEFAULT '2026-02-03', "
        "i interval DEFAULT '-1 day 2 hours', f float8 DEFAULT 0.1, _row_number bigint, _process_id uuid)"
    )
    await put(ends, 1, [(1, "old")])
    before = await pool.fetch("SELECT * FROM public.people")
    for style, number in (("SQL, DMY", 2), ("German", 3)):
        styled = replace(pool.connections, first=f"SET LOCAL datestyle = '{style}'; {STYLES}")
        await put(PgEnds(await TenantPool.of(PgPool(styled, row_security))), number, [(1, "new")])
    assert await undo(ends, 3) == (0, 1, 0)
    assert await undo(ends, 2) == (0, 1, 0)
    assert await pool.fetch("SELECT * FROM public.people") == before


async def test_columns_that_have_gone_and_come_since(pool: PgPool) -> None:
    ends = PgEnds(pool)
    await pool.execute(
        "CREATE TABLE public.people (gone text, id bigint PRIMARY KEY, name text, number text, "
        "_row_number bigint, _process_id uuid)"
    )
    await pool.execute("INSERT INTO public.people VALUES ('gone', 1, 'old', '7')")
    await put(ends, 1, [(1, "new")])
    await pool.execute(
        "ALTER TABLE public.people DROP gone, ADD more text, ALTER number TYPE integer USING number::integer"
    )
    await put(ends, 2, [(1, "newer")])
    assert await undo(ends, 1) == (0, 0, 1)
    assert await undo(ends, 2) == (0, 1, 0)
    assert tuple((await pool.fetch("SELECT id, name, number, more FROM public.people"))[0]) == (
        1, "old", 7, None,
    )  # fmt: skip


async def test_packs_are_bounded(pool: PgPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_rows, "_KEEP", kept_rows._KEEP.replace("number / 2048", "number / 4"))
    ends = PgEnds(pool)
    rows: list[tuple[int | None, str | None]] = [(number, "old") for number in range(1, 11)]
    await put(ends, 1, rows, UPSERT)
    await put(ends, 2, rows, UPSERT)
    assert await sizes(pool) == [3, 3, 4]
    assert await undo(ends, 2) == (0, 10, 0)
