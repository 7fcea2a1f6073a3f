"""Rows in binary form are in the table as the same rows as text are."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingestor.checking.rows import check_rows
from ingestor.pipelines.document import parse_pipeline
from ingestor.services.processor.adapters.postgres.binary.encoded import Encoded
from ingestor.services.processor.adapters.postgres.binary.rows import binary_rows
from ingestor.services.processor.adapters.postgres.copy import copy_text
from ingestor.services.processor.adapters.postgres.loading import Loading
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.postgres.table import definition
from ingestor.services.processor.pipelines import table_of
from ingestor.services.processor.ports import GoodRows, Refused, Table
from ingestor.types.registry import TYPES
from tests.contract.sink.batches import concluding, good, key
from tests.examples import examples
from tests.unit.checking.check_tables import table as cells

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

OWNER = str(uuid.uuid4())
_DIGITS = st.text("0123456789", max_size=8)
_PLAIN_NUMBERS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    st.integers(0, 9_999_999).map(str) | st.just("0"),
    st.sampled_from([".", ".0", ".5", ""]),
    st.just(""),
) | st.builds("{}.{}".format, st.integers(-99_999, 99_999), _DIGITS)
_ANY_NUMBERS = _PLAIN_NUMBERS | st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "-", "+"]),
    st.text("0123456789", min_size=1, max_size=30) | st.integers(10**14, 10**18).map(str),
    st.sampled_from(["", "e3", "E-7", ".000000000000000000000001", "." + "9" * 20]),
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('aé"\\\n🎈', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=6,
)
CELLS: dict[str, st.SearchStrategy[str]] = {
    "string": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    "integer": st.integers(-(2**63), 2**63 - 1).map(str) | st.integers(-9, 9).map(str),
    "number": _PLAIN_NUMBERS,
    "boolean": st.sampled_from(["true", "false"]),
    "date": st.dates().map(str),
    "datetime": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    "time": st.times().map(lambda time: time.isoformat()),
    "year": st.integers(0, 9999).map("{:04}".format),
    "duration": st.sampled_from(["P1Y2M", "PT0.5S", "P3DT4H"]),
    "object": st.dictionaries(st.text("abc"), _JSON, max_size=3).map(json.dumps),
    "array": st.lists(_JSON, max_size=3).map(json.dumps),
    "list": st.text("ab,\\", max_size=6),
    "any": st.text("ab\"'\n,;", max_size=6),
}
# Types whose columns have no binary form here: time and interval.
TEXT_ONLY = ("time", "duration")


def rows_of(fields: Sequence[str], texts: Sequence[Sequence[str]]) -> GoodRows:
    """The good rows of cells, as the processor has them."""
    document = parse_pipeline(json.dumps({
        "name": "p",
        "schema": {"fields": [{"name": f"f{at}", "type": name} for at, name in enumerate(fields)],
                   "missingValues": ["none"]},
        "sink": {"table": "t"},
    }))  # fmt: skip
    columns = [[row[at] for row in texts] for at in range(len(fields))]
    checked = check_rows(cells(*columns), [f"f{at}" for at in range(len(fields))], document)
    return GoodRows(table_of(document), checked.good, np.asarray(checked.good_index, np.int64) + 1)


async def content(pool: PgPool, rows: GoodRows, encoded: Encoded) -> list[Any]:
    """What a table has as text, after COPY."""
    async with pool.transaction() as connection:
        await connection.execute(f"CREATE TEMPORARY TABLE loaded ({definition(rows.table, lambda _: '')})")
        await Loading(
            connection,
            key(),
            OWNER,
            replace(rows, table=replace(rows.table, schema="pg_temp", name="loaded")),
        ).all(encoded)
        found = await connection.fetch("SELECT loaded::text FROM loaded ORDER BY _row_number")
        await connection.execute("DROP TABLE loaded")
    return [row[0] for row in found]


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_both_forms_are_the_same_table(pool: PgPool, data: st.DataObject) -> None:
    """Rows of all types, with missing values, and numbers with the zeros behind their points."""
    assert CELLS.keys() <= TYPES.keys()
    fields = data.draw(
        st.lists(st.sampled_from([n for n in CELLS if n not in TEXT_ONLY]), min_size=1, max_size=6)
    )
    row = st.tuples(*(CELLS[name] | st.just("none") for name in fields))
    rows = rows_of(fields, data.draw(st.lists(row, min_size=1, max_size=20)))
    parts = binary_rows(rows, OWNER)
    assert parts is not None
    as_text = await content(pool, rows, Encoded((copy_text(rows, OWNER),)))
    assert len(as_text) == rows.data.num_rows
    assert await content(pool, rows, Encoded(parts, binary=True)) == as_text


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(numbers=["9007199254740993"])
@example(numbers=["-90071992547409.93", "1"])
@example(numbers=["0.9007199254740993"])
@example(numbers=["99999999999999.9", "999999999999999"])
@given(numbers=st.lists(_ANY_NUMBERS, min_size=1, max_size=5))
async def test_a_number_has_its_very_digits_or_no_binary_form(pool: PgPool, numbers: list[str]) -> None:
    rows = rows_of(["number"], [[number] for number in numbers])
    parts = binary_rows(rows, OWNER)
    if parts is not None:
        as_text = await content(pool, rows, Encoded((copy_text(rows, OWNER),)))
        assert await content(pool, rows, Encoded(parts, binary=True)) == as_text


@pytest.mark.parametrize("name", TEXT_ONLY)
def test_some_types_have_no_binary_form(name: str) -> None:
    text = {"time": "10:00:00", "duration": "P1D"}[name]
    assert binary_rows(rows_of([name], [[text]]), OWNER) is None


def test_values_that_were_fitted_to_a_column_have_no_binary_form() -> None:
    rows = rows_of(["integer"], [["1"]])
    assert binary_rows(rows, OWNER) is not None
    fitted = rows.data.set_column(0, "f0", pa.chunked_array([pa.array(["1"])]))
    assert binary_rows(replace(rows, data=fitted), OWNER) is None


def test_parts_of_arrays_are_taken_as_they_are() -> None:
    """Rows that were taken out of others, and columns in chunks."""
    rows = rows_of(["string", "number", "date"], [["a", "1.50", "2024-01-01"], ["b", "2", "none"]] * 3)
    chunked = pa.concat_tables([rows.data.slice(0, 3), rows.data.slice(3, 3)])
    expected = binary_rows(rows, OWNER)
    assert expected is not None
    for data in (chunked, pa.concat_tables([rows.data, rows.data]).slice(6, 6)):
        parts = binary_rows(replace(rows, data=data), OWNER)
        assert parts is not None
        assert b"".join(parts) == b"".join(expected)


# -- by way of the sink ----------------------------------------------------------------------------


@pytest.fixture
def formats(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The formats of all COPYs."""
    found: list[str] = []
    copy = Loading._copy

    async def noting(self: Loading, encoded: Encoded, *more: Any) -> int:
        found.append(encoded.format)
        return await copy(self, encoded, *more)

    monkeypatch.setattr(Loading, "_copy", noting)
    return found


async def refused_by(sink: PgSink, table: Table, values: Sequence[tuple[int, str]]) -> list[Refused]:
    """The rows that the sink refuses."""
    of = key(rows=len(values))
    found: list[Refused] = []

    def conclude(refused: Sequence[Refused]) -> Any:
        found.extend(refused)
        return concluding(of)(refused)

    await sink.load(of, good(of, values, table), conclude)
    return found


async def test_rows_go_as_binary_where_the_columns_have_their_types(pool: PgPool, formats: list[str]) -> None:
    table = Table("public", "t", (("id", "bigint"), ("name", "text")), ("id",))
    await pool.execute("CREATE DOMAIN public.short AS varchar(9) CHECK (value <> 'x')")
    for column, expected in (("text", "binary"), ("varchar(9)", "binary"), ("public.short", "binary"),
                             ("public.mood", "csv")):  # fmt: skip
        if column == "public.mood":
            await pool.execute("CREATE TYPE public.mood AS ENUM ('a')")
        formats.clear()
        await pool.execute("DROP TABLE IF EXISTS public.t")
        await pool.execute(
            f"CREATE TABLE public.t (id bigint PRIMARY KEY, name {column}, "
            "_row_number bigint, _process_id uuid)"
        )
        assert await refused_by(PgSink(pool), table, [(1, "a")]) == []
        assert formats == [expected], column


async def test_what_the_database_refuses_has_the_reason_of_the_text(pool: PgPool, formats: list[str]) -> None:
    """A value that PostgreSQL does not take, one that is too long, and a taken key."""
    table = Table("public", "t", (("id", "bigint"), ("name", "text")), ("id",))
    values = [(1, "a"), (2, "b\0"), (3, "c"), (3, "again")]
    sink = PgSink(pool)
    refused = await refused_by(sink, table, values)
    assert [row.position for row in refused] == [1, 3]
    assert formats[0] == "binary"
    assert set(formats[1:]) == {"csv"}
    assert "0x00" in refused[0].error.message or "NUL" in refused[0].error.message.upper()
    found = await pool.fetch("SELECT id, name FROM public.t ORDER BY id")
    assert [tuple(row) for row in found] == [(1, "a"), (3, "c")]


async def test_a_taken_key_is_not_looked_for_twice(pool: PgPool, formats: list[str]) -> None:
    """What a constraint says of binary rows it would say of the text."""
    table = Table("public", "t", (("id", "bigint"), ("name", "text")), ("id",))
    refused = await refused_by(PgSink(pool), table, [(1, "a"), (1, "b")])
    assert [row.position for row in refused] == [1]
    assert formats == ["binary", "binary"]  # the second one into the stage


async def test_a_table_that_has_changed_gets_what_it_reads(pool: PgPool, formats: list[str]) -> None:
    """Rows that were made ready for the table as it was."""
    table = Table("public", "t", (("id", "bigint"), ("name", "text")), ("id",))
    sink = PgSink(pool)
    assert await refused_by(sink, table, [(1, "a")]) == []
    await pool.execute("ALTER TABLE public.t ALTER name TYPE char(3)[] USING ARRAY[name]")
    await pool.execute("ALTER TABLE public.t ALTER id TYPE integer")
    assert await refused_by(sink, table, [(2, "{b}")]) == []
    assert formats == ["binary", "csv"]


async def test_upserts_go_as_binary_too(pool: PgPool, formats: list[str]) -> None:
    table = Table("public", "t", (("id", "bigint"), ("name", "text")), ("id",), upsert=True)
    sink = PgSink(pool)
    assert await refused_by(sink, table, [(1, "a"), (2, "b")]) == []
    refused = await refused_by(sink, table, [(1, "c"), (2, "d\0")])
    assert [row.position for row in refused] == [1]
    assert formats[:2] == ["binary", "binary"]
    found = await pool.fetch("SELECT id, name FROM public.t ORDER BY id")
    assert [tuple(row) for row in found] == [(1, "c"), (2, "b")]
