"""Tables that people have: what their columns take and lose, what the database fills in, partitions and
views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestor.outcomes import RowError
from ingestor.services.processor.adapters.postgres.dry_run import PgDryRunTables
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.ports import SinkRefusedError
from tests.contract.sink.batches import concluding, key
from tests.contract.sink.existing.tables import content, load, make, rows_of, table_of

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

C, T = "constraint-error", "type-error"


async def test_rounding_that_is_allowed(pool: PgPool) -> None:
    """Numbers and times lose digits; texts are never cut, and ranges stay."""
    cases = [
        ("numeric(6,2)", "number", "1.239", "1.24"), ("integer", "number", "2.5", "3"),
        ("real", "integer", "16777217", "1.6777216e+07"),
        ("timestamptz(0)", "datetime", "2024-02-29T10:00:00.6Z", "2024-02-29 10:00:01+00"),
        ("date", "datetime", "2024-02-29T10:00:00Z", "2024-02-29"),
        ("time(0)", "time", "10:00:00.6", "10:00:01"), ("interval(0)", "duration", "PT1.6S", "00:00:02"),
        ("numeric(6,2)[]", "array", "[1.239]", "{1.24}"), ("numeric(6,2)", "string", "1.239", "1.24"),
        ("numeric(6,2)", "number", "9999.999", None), ("varchar(2)", "string", "abc", None),
        ("name", "string", "x" * 64, None), ("smallint", "number", "32767.5", None),
    ]  # fmt: skip
    await make(pool, [case[0] for case in cases])
    fields = [{"type": case[1]} for case in cases]
    table = table_of(fields, rounding=frozenset(f"c{number}" for number in range(len(cases))))
    rows = [
        [case[2] if place == at else None for place, case in enumerate(cases)] for at in range(len(cases))
    ]
    outcome = await load(pool, rows_of(table, fields, rows))
    assert [(row.row_number, row.errors[0].code) for row in outcome.rows] == [
        (n, C) for n in (10, 11, 12, 13)
    ]
    loaded = await content(pool, len(cases))
    assert [loaded[number][number - 1] for number in sorted(loaded)] == [case[3] for case in cases[:9]]


async def test_all_errors_of_a_row(pool: PgPool) -> None:
    await make(pool, ["varchar(3)", "numeric(6,2)", "timestamptz(0)", "inet", "smallint"])
    fields = [{"type": name} for name in ("string", "number", "datetime", "string", "integer")]
    rows: list[list[str | None]] = [
        ["abcd", "1.239", "2024-01-01T00:00:00.6Z", "nowhere", "70000"],
        ["abc", "1.23", "2024-01-01T00:00:00Z", "::1", "7"],
        ["abc", "10000", None, None, None],
    ]
    outcome = await load(pool, rows_of(table_of(fields), fields, rows))
    errors = [(row.row_number, error) for row in outcome.rows for error in row.errors]
    assert [(number, error.field, error.code, error.message) for number, error in errors] == [
        (1, "c0", C, 'c0: "abcd" is too long: the column is varchar(3)'),
        (1, "c1", C, 'c1: "1.239" would be rounded: the column is numeric(6,2)'),
        (1, "c2", C, 'c2: "2024-01-01T00:00:00.6Z" would be rounded: the column is timestamptz(0)'),
        (1, "c3", T, 'c3: "nowhere" cannot be read: the column is inet'),
        (1, "c4", C, 'c4: "70000" is out of range: the column is smallint'),
        (3, "c1", C, 'c1: "10000" is out of range: the column is numeric(6,2)'),
    ]
    assert list(await content(pool, 5)) == [2]


async def test_base64_into_a_column_of_bytes(pool: PgPool) -> None:
    await make(pool, ["bytea", "text"])
    fields = [{"type": "string", "format": "binary"}, {"type": "string", "format": "binary"}]
    table = table_of(fields, base64=frozenset(("c0", "c1")))
    await load(pool, rows_of(table, fields, [["AP8=", "AP8="], ["", None]]))
    assert await content(pool, 2) == {1: ["\\x00ff", "AP8="], 2: ["\\x", None]}


async def test_a_domain_that_needs_a_value(pool: PgPool) -> None:
    await pool.execute("SET search_path = public; CREATE DOMAIN known AS text NOT NULL")
    await make(pool, ["public.known"])
    fields = [{"type": "string"}]
    outcome = await load(pool, rows_of(table_of(fields), fields, [["a"], [None], [""]]))
    assert [row.errors for row in outcome.rows] == [
        (RowError(C, "c0", "", "c0: a value is required: the column is known", "validate"),)
    ]


async def test_a_condition_that_fails_instead_of_answering(pool: PgPool) -> None:
    """The load finds the row."""
    await pool.execute(
        "SET search_path = public; "
        "CREATE FUNCTION known(v text) RETURNS boolean LANGUAGE plpgsql AS $$ "
        "BEGIN IF v = 'x' THEN RAISE 'x is not known'; END IF; RETURN true; END $$; "
        "CREATE DOMAIN known AS text CHECK (public.known(value))"
    )
    await make(pool, ["known"])
    fields = [{"type": "string"}]
    outcome = await load(pool, rows_of(table_of(fields), fields, [["a"], ["x"], ["b"]]))
    assert [(row.row_number, row.errors[0].message) for row in outcome.rows] == [(2, "x is not known")]


@pytest.mark.parametrize(
    ("column", "field", "message"),
    [
        ("date", "boolean", "The column c0 of the table t is date, which takes no boolean: declare"),
        ("timestamptz(0)", "integer", "is timestamptz(0), which takes no integer: declare the field"),
        ("integer", "date", "is integer, which takes no date: declare the field c0 as integer"),
        ("integer[]", "integer", "is integer[], which takes no integer: declare the field c0 as array"),
        ("inet", "number", "is inet, which takes no number: declare the field c0 as string"),
        ("boolean", "integer", "is boolean, which takes no integer: declare the field c0 as boolean"),
        ("date", "object", "is date, which takes no JSON: declare the field c0 as date"),
        ("bigint GENERATED ALWAYS AS IDENTITY", "integer", "is numbered by the database"),
        ("bigint GENERATED ALWAYS AS (1 + 1) STORED", "integer", "is computed by the database"),
    ],
)  # fmt: skip
async def test_a_field_that_does_not_go_with_its_column(
    pool: PgPool, column: str, field: str, message: str
) -> None:
    """It is refused before the first row, whatever the rows have."""
    await make(pool, [column])
    fields = [{"type": field}]
    rows = rows_of(table_of(fields), fields, [[None]])
    of = key(rows=1)
    with pytest.raises(SinkRefusedError) as real:
        await PgSink(pool).load(of, rows, concluding(of))
    assert message in str(real.value)
    with pytest.raises(SinkRefusedError) as tried:
        async with PgDryRunTables(pool, 1).open(rows.table) as dry_run:
            await dry_run.refused(rows)
    assert str(tried.value) == str(real.value)


async def test_a_table_that_changes_meanwhile(pool: PgPool) -> None:
    """Another width, another value of an enum, another table of the same name: the sink sees it."""
    await pool.execute("CREATE TYPE public.mood AS ENUM ('fine')")
    await make(pool, ["varchar(3)", "public.mood"])
    fields = [{"type": "string"}, {"type": "string"}]
    rows = rows_of(table_of(fields), fields, [["abcd", "bad"]])
    sink = PgSink(pool)

    async def errors() -> list[str]:
        of = key(rows=1)
        outcome = (await sink.load(of, rows, concluding(of))).outcome
        assert outcome is not None
        return [error.field for row in outcome.rows for error in row.errors]

    assert await errors() == ["c0", "c1"]
    await pool.execute("ALTER TABLE public.t ALTER c0 TYPE varchar(4)")
    assert await errors() == ["c1"]
    await pool.execute("ALTER TYPE public.mood ADD VALUE 'bad'")
    assert await errors() == []
    await pool.execute("DROP TABLE public.t")
    await make(pool, ["varchar(2)", "text"])
    assert await errors() == ["c0"]


@pytest.mark.parametrize("upsert", [False, True])
async def test_what_the_database_fills_in(pool: PgPool, upsert: bool) -> None:
    """Numbers, computed columns and defaults are left to it, in tables of other types too."""
    await pool.execute(
        "CREATE TABLE public.t (id integer GENERATED BY DEFAULT AS IDENTITY, "
        "number smallint GENERATED ALWAYS AS IDENTITY, c0 varchar(3) PRIMARY KEY, c1 numeric(8,2), "
        "total numeric GENERATED ALWAYS AS (c1 * 2) STORED, part real GENERATED ALWAYS AS (c1 / 3), "
        "noted timestamptz DEFAULT now(), "
        "_row_number bigint, _process_id uuid)"
    )
    fields = [{"type": "string"}, {"type": "number"}]
    table = table_of(fields, primary_key=("c0",), upsert=upsert)
    rows = rows_of(table, fields, [["a", "1.5"], ["b", "1.555"], ["c", None], ["a", "2"]])
    outcome = await load(pool, rows)
    assert [(row.row_number, row.errors[0].code) for row in outcome.rows] == [
        (2, C), *([] if upsert else [(4, "primary-key")])
    ]  # fmt: skip
    found = await pool.fetch(
        "SELECT c0, total::text, num_nulls(id, number, noted) = 0 FROM public.t ORDER BY c0"
    )
    assert [tuple(row) for row in found] == [("a", "4.00" if upsert else "3.00", True), ("c", None, True)]


async def test_an_identity_by_default_is_loaded(pool: PgPool) -> None:
    await make(pool, ["integer GENERATED BY DEFAULT AS IDENTITY"])
    fields = [{"type": "integer"}]
    await load(pool, rows_of(table_of(fields), fields, [["7"]]))
    assert await content(pool, 1) == {1: ["7"]}


@pytest.mark.parametrize("upsert", [False, True])
async def test_a_partitioned_table(pool: PgPool, upsert: bool) -> None:
    """A row for which there is no partition fails alone."""
    await pool.execute(
        "SET search_path = public; CREATE TABLE t (c0 integer, c1 varchar(3), _row_number bigint, "
        "_process_id uuid, PRIMARY KEY (c0)) PARTITION BY RANGE (c0);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (10) TO (20)"
    )
    fields = [{"type": "integer"}, {"type": "string"}]
    table = table_of(fields, primary_key=("c0",), upsert=upsert)
    rows = rows_of(table, fields, [["1", "a"], ["15", "b"], ["25", "c"], ["2", "abcd"], ["3", "d"]])
    outcome = await load(pool, rows)
    assert [(row.row_number, row.errors[0].code) for row in outcome.rows] == [(3, "sink-error"), (4, C)]
    assert await content(pool, 2) == {1: ["1", "a"], 2: ["15", "b"], 5: ["3", "d"]}


@pytest.mark.parametrize("instead", [False, True])
async def test_a_view_takes_rows(pool: PgPool, instead: bool) -> None:
    """One that PostgreSQL can insert into, or that a trigger handles. A dry run knows the view's columns, not
    what the table behind it refuses."""
    await pool.execute(
        "SET search_path = public; CREATE TABLE base (c0 varchar(3) PRIMARY KEY, c1 integer CHECK (c1 > 0), "
        "_row_number bigint, _process_id uuid); CREATE VIEW t AS SELECT * FROM base WHERE c0 <> 'x'"
    )
    if instead:
        await pool.execute(
            "SET search_path = public; CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO public.base SELECT new.*; RETURN new; END $$; "
            "CREATE TRIGGER put INSTEAD OF INSERT ON t FOR EACH ROW EXECUTE FUNCTION put()"
        )
    fields = [{"type": "string"}, {"type": "integer"}]
    rows = rows_of(table_of(fields), fields, [["a", "1"], ["abcd", "2"], ["b", "0"], ["a", "3"], ["c", "4"]])
    async with PgDryRunTables(pool, 1).open(rows.table) as dry_run:
        assert [row.position for row in await dry_run.refused(rows)] == [1]
    of = key(rows=5)
    outcome = (await PgSink(pool).load(of, rows, concluding(of))).outcome
    assert outcome is not None
    assert [row.row_number for row in outcome.rows] == [2, 3, 4]
    assert await content(pool, 2) == {1: ["a", "1"], 5: ["c", "4"]}
