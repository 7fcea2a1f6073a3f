"""The rules for columns against PostgreSQL itself: a value passes exactly when the column would read it and
keep all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestor.columns.text_column import text_column
from ingestor.pipelines.field import Field
from ingestor.services.processor.adapters.postgres.columns.checks import Fault, check_of
from ingestor.services.processor.adapters.postgres.columns.facts import columns_of
from ingestor.services.processor.adapters.postgres.columns.notation import as_text
from tests.examples import examples

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

_DIGITS = st.text("0123456789", max_size=6)
NUMBERS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "-", "+"]),
    _DIGITS,
    st.one_of(st.just("7"), st.builds(".{}".format, st.text("0123456789", min_size=1, max_size=5))),
    st.one_of(st.just(""), st.text("0", max_size=4)),
    st.sampled_from(["", "", "", "e0", "e2", "E-3", "e+5", "e-45", "e38", "e309", "e-330"]),
)
MOMENTS = st.datetimes().map(lambda moment: moment.isoformat()) | st.builds(
    "2024-01-31T{:02}:00:00.{}".format, st.integers(0, 23), st.text("0125", min_size=1, max_size=6)
)
INTEGERS = st.integers(-(2**63), 2**63 - 1).map(str) | st.integers(-40_000, 40_000).map(str)
TIMES = st.builds("10:00:00.{}".format, st.text("0125", min_size=1, max_size=6))
TEXTS = st.text("aé🎈 ", max_size=7)

# The type of the field, of the column, and the column's type without limits.
CASES = [
    *(("number", f"numeric({limits})", "numeric", NUMBERS) for limits in ("6,2", "4", "1,1", "3,-2", "3,5")),
    *(("number", type_, "numeric", NUMBERS) for type_ in ("smallint", "integer", "bigint")),
    *(("number", type_, "", NUMBERS) for type_ in ("real", "double precision")),
    *(("integer", type_, "numeric", INTEGERS)
      for type_ in ("smallint", "integer", "bigint", "numeric(6,2)", "numeric(19)", "numeric(4,-1)")),
    *(("datetime", f"timestamptz({digits})", "timestamptz", MOMENTS) for digits in (0, 3, 6)),
    ("datetime", "timestamp(1)", "timestamp", MOMENTS), ("datetime", "date", "timestamp", MOMENTS),
    *(("time", f"time({digits})", "time", TIMES) for digits in (0, 2)),
    *(("string", type_, "text", TEXTS) for type_ in ("varchar(3)", "varchar(1)", "varchar")),
]  # fmt: skip
WHOLE = ("smallint", "integer", "bigint")


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_value_passes_when_the_column_keeps_it(pool: PgPool, data: st.DataObject) -> None:
    field, type_, wider, values = data.draw(st.sampled_from(CASES))
    texts = data.draw(st.lists(values, min_size=1, max_size=40))
    await pool.execute(f"DROP TABLE IF EXISTS public.t; CREATE TABLE public.t (c {type_})")
    async with pool.acquire() as connection:
        column = (await columns_of(connection, "public.t"))["c"]
    kind = Field.model_validate({"name": "f", "type": field}).kind
    converted = kind.convert(text_column(pa.array(texts, pa.string()), frozenset()))
    if converted.bad is not None:  # beyond what a number can be
        return
    check = check_of(kind.postgres_type, column, rounding=False)
    suspects = check.suspects(converted.column) if check else None
    shown = [str(text) for text in as_text(converted.column).to_pylist()]
    passes = [
        suspects is None
        or not suspects[place]
        or (check is not None and not isinstance(check.resolve(text), Fault))
        for place, text in enumerate(shown)
    ]
    # The type itself does not read 7.0 as a whole number.
    read = "trunc(v::numeric)::text" if field == "number" and type_ in WHOLE else "v"
    keeps = f"{read}::{type_}::{wider} = v::{wider}" if wider else "true"
    expected = await pool.fetch(
        f"SELECT CASE WHEN pg_input_is_valid({read}, $2) THEN {keeps} ELSE false END "
        "FROM unnest($1::text[]) v",
        shown,
        type_,
    )
    assert dict(zip(shown, passes, strict=True)) == dict(
        zip(shown, (row[0] for row in expected), strict=True)
    )
