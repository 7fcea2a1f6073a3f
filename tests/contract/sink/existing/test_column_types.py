"""Columns of any type take what fits them, and every other value is its row's error, in the load and in the
dry run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import asyncpg
import pytest

from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.postgres.undo import PgUndo
from ingestor.services.processor.ports import TABLE_SINK, Loaded
from tests.contract.sink.batches import concluding, key, new_process, process_after_all_this
from tests.contract.sink.existing.tables import content, load, make, rows_of, table_of

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

TYPES = """
CREATE TYPE mood AS ENUM ('fine', 'not so fine');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN percent AS numeric(5,2) CHECK (value BETWEEN 0 AND 100);
CREATE DOMAIN small_share AS percent CHECK (value < 10);
CREATE DOMAIN code AS varchar(3);
CREATE DOMAIN tens AS integer CHECK (value % 10 = 0);
CREATE DOMAIN few AS text[] CHECK (cardinality(value) < 3);
CREATE DOMAIN feeling AS mood;
CREATE DOMAIN second AS timestamptz(0);
CREATE DOMAIN digits AS text CHECK (value ~ '^[0-9]+$');
"""
C, T = "constraint-error", "type-error"


@pytest.fixture
async def citext(database_url: str) -> None:
    """An extension, which only an administrator makes."""
    admin = await asyncpg.connect(database_url)
    try:
        await admin.execute("CREATE EXTENSION citext SCHEMA public")
    finally:
        await admin.close()


class Case(NamedTuple):
    """A column, the field that is loaded into it, texts of the file with what the column has then, and texts
    with the code of their error."""

    column: str
    field: str
    good: Mapping[str, str]
    bad: Mapping[str, str]


CASES = [
    Case("varchar(5)", "string", {"abcde": "abcde", "äöüßé": "äöüßé", "": ""}, {"abcdef": C, "abcde ": C}),
    Case("char(2)", "string", {"a": "a ", "ab  ": "ab"}, {"abc": C}),
    Case("char", "string", {"x": "x"}, {"xy": C}),
    Case("varchar", "string", {"x" * 300: "x" * 300}, {}),
    Case("varchar(5)", "boolean", {"true": "true"}, {}),
    Case("varchar(4)", "boolean", {"true": "true"}, {"false": C}),
    Case("varchar(3)", "integer", {"-12": "-12"}, {"1234": C}),
    Case("text", "number", {"1.50": "1.50"}, {}),
    Case("text", "date", {"2024-02-29": "2024-02-29"}, {}),
    Case("text", "datetime", {"2024-02-29T10:00:00.50+01:00": "2024-02-29T09:00:00.5Z",
                              "2024-02-29T10:00:00": "2024-02-29T10:00:00Z"}, {}),
    Case("text", "object", {'{"a": 1}': '{"a": 1}'}, {}),
    Case("text", "duration", {"P1D": "P1D"}, {}),
    Case("public.citext", "string", {"Abc": "Abc"}, {}),
    Case("name", "string", {"x" * 63: "x" * 63}, {"x" * 64: C}),
    Case('"char"', "string", {"x": "x"}, {"xy": C}),
    Case("smallint", "integer", {"-32768": "-32768", "32767": "32767"}, {"32768": C, "-32769": C}),
    Case("integer", "integer", {"2147483647": "2147483647"}, {"2147483648": C, "-2147483649": C}),
    Case("integer", "number", {"7.0": "7", "1e3": "1000", "+5": "5", "-0.0": "0"}, {"7.5": C, "1e10": C}),
    Case("bigint", "number", {"9223372036854775807.0": "9223372036854775807"},
         {"9223372036854775808": C, "1e30000": C, ".5": C}),
    Case("smallint", "string", {"12": "12"}, {"x": T, "70000": C, "1.5": T}),
    Case("smallint", "year", {"2024": "2024"}, {}),
    Case("numeric(6,2)", "number", {"1.5": "1.50", "-9999.99": "-9999.99", "1.230000": "1.23",
                                    "1e2": "100.00", "0001.2": "1.20"},
         {"1.239": C, "10000": C, "1e4": C, "123e-5": C}),
    Case("numeric(6,2)", "integer", {"9999": "9999.00"}, {"10000": C}),
    Case("numeric(6,2)", "string", {"1.5": "1.50"}, {"1.239": C, "10000": C, "abc": T}),
    Case("numeric(3,-2)", "number", {"1200": "1200", "99900": "99900"}, {"1250": C, "100000": C}),
    Case("numeric(3,5)", "number", {"0.00999": "0.00999"}, {"0.01": C, "0.000001": C}),
    Case("numeric", "number", {"1.500": "1.500"}, {}),
    Case("numeric(40,10)", "number", {"123456789012345678901234567890.0123456789":
                                      "123456789012345678901234567890.0123456789"}, {"1e30": C}),
    Case("real", "number", {"0.1": "0.1", "0": "0", "1e-40": "1e-40"}, {"1e39": C, "1e-60": C}),
    Case("double precision", "number", {"0.1": "0.1", "0.000": "0"}, {"1e400": C, "-1e400": C, "1e-400": C}),
    Case("double precision", "integer", {"9007199254740992": "9.007199254740992e+15"},
         {"9007199254740993": C}),
    Case("real", "integer", {"16777216": "1.6777216e+07", "33554432": "3.3554432e+07"}, {"16777217": C}),
    Case("double precision", "string", {"1.5": "1.5"}, {"x": T, "1e400": C}),
    Case("money", "number", {"1.5": "$1.50"}, {"1.239": C}),
    Case("boolean", "boolean", {"true": "t"}, {}),
    Case("boolean", "string", {"t": "t", "no": "f"}, {"maybe": T}),
    Case("date", "date", {"2024-02-29": "2024-02-29"}, {}),
    Case("date", "datetime", {"2024-02-29T00:00:00Z": "2024-02-29"}, {"2024-02-29T00:00:01Z": C}),
    Case("date", "string", {"2024-02-29": "2024-02-29"},
         {"2024-02-30": C, "soon": T, "2024-02-29 10:00": C}),
    Case("timestamp", "datetime", {"2024-02-29T10:00:00.5+01:00": "2024-02-29 09:00:00.5"}, {}),
    Case("timestamp(0)", "datetime", {"2024-02-29T10:00:00": "2024-02-29 10:00:00"},
         {"2024-02-29T10:00:00.6Z": C}),
    Case("timestamp", "date", {"2024-02-29": "2024-02-29 00:00:00"}, {}),
    Case("timestamp", "string", {"2024-02-29 10:00": "2024-02-29 10:00:00"},
         {"2024-02-29 10:00+02": C, "x": T}),
    Case("timestamptz(0)", "datetime", {"2024-02-29T10:00:00Z": "2024-02-29 10:00:00+00"},
         {"2024-02-29T10:00:00.6Z": C}),
    Case("timestamptz(3)", "datetime", {"2024-02-29T10:00:00.123Z": "2024-02-29 10:00:00.123+00"},
         {"2024-02-29T10:00:00.1234Z": C}),
    Case("timestamptz", "date", {"2024-02-29": "2024-02-29 00:00:00+00"}, {}),
    Case("timestamptz(0)", "string", {"2024-02-29 10:00+02": "2024-02-29 08:00:00+00"},
         {"2024-02-29 10:00:00.6": C}),
    Case("time", "time", {"10:00:00.5": "10:00:00.5"}, {}),
    Case("time(0)", "time", {"10:00:00": "10:00:00", "10:00:00.000": "10:00:00"}, {"10:00:00.6": C}),
    Case("time(0)", "string", {"10:00": "10:00:00"}, {"10:00:00.6": C, "25:00": C, "x": T, "10:00+02": C}),
    Case("timetz", "time", {"10:00:00": "10:00:00+00"}, {}),
    Case("timetz", "string", {"10:00+02": "10:00:00+02"}, {"x": T}),
    Case("interval", "duration", {"P1DT2H": "1 day 02:00:00"}, {}),
    Case("interval", "string", {"1 day 2 hours": "1 day 02:00:00"}, {"x": T, "99999999999 days": C}),
    Case("interval", "time", {"10:00:00": "10:00:00"}, {}),
    Case("interval(0)", "duration", {"PT1S": "00:00:01"}, {"PT1.5S": C}),
    Case("interval day to hour", "string", {"1 day 2 hours": "1 day 02:00:00"}, {"1 day 2:30": C}),
    Case("uuid", "string", {"123E4567-e89b-12d3-a456-426614174000": "123e4567-e89b-12d3-a456-426614174000",
                            "{123e4567e89b12d3a456426614174000}": "123e4567-e89b-12d3-a456-426614174000"},
         {"123": T}),
    Case("json", "object", {'{"b":1,"a":2}': '{"b":1,"a":2}'}, {}),
    Case("json", "string", {"[1]": "[1]"}, {"{": T}),
    Case("jsonb", "array", {"[1]": "[1]"}, {}),
    Case("jsonb", "string", {'"a"': '"a"'}, {"a": T}),
    Case("bytea", "string", {"\\x00ff": "\\x00ff", "ab": "\\x6162"}, {"\\xZZ": T, "a\\b": T}),
    Case("mood", "string", {"fine": "fine", "not so fine": "not so fine"}, {"Fine": T, "": T}),
    Case("mood[]", "array", {'["fine","fine"]': "{fine,fine}"}, {'["bad"]': T}),
    Case("percent", "number", {"12.5": "12.50", "100": "100.00"}, {"12.345": C, "100.01": C, "1000": C}),
    Case("percent", "integer", {"12": "12.00"}, {"101": C}),
    Case("small_share", "number", {"9.99": "9.99"}, {"10": C, "1.234": C}),
    Case("code", "string", {"abc": "abc"}, {"abcd": C}),
    Case("tens", "number", {"20.0": "20"}, {"20.5": C, "21": C}),
    Case("text[]", "array", {'["a", "b,c", "d\\"e", "f\\\\g", null, "NULL", ""]':
                             '{a,"b,c","d\\"e","f\\\\g",NULL,"NULL",""}', "[]": "{}"}, {'[["a"], "b"]': T}),
    Case("text[]", "list", {"a,b": "{a,b}"}, {}),
    Case("text[]", "string", {"{a,b}": "{a,b}"}, {"a,b": T, "{a": T}),
    Case("integer[]", "array", {"[1, 2]": "{1,2}", "[[1,2],[3,4]]": "{{1,2},{3,4}}"},
         {'["x"]': T, "[3000000000]": C, "[1.5]": T}),
    Case("numeric(6,2)[]", "array", {"[1.50, 1e2]": "{1.50,100.00}"}, {"[1.239]": C, "[12345]": C}),
    Case("boolean[]", "array", {"[true, false]": "{t,f}"}, {"[2]": T}),
    Case("jsonb[]", "array", {'[{"a": 1.50}]': '{"{\\"a\\": 1.50}"}'}, {}),
    Case("percent[]", "array", {"[1]": "{1.00}"}, {"[101]": C, "[1.234]": C}),
    Case("varchar(3)[]", "array", {'["abc"]': "{abc}"}, {'["abcd"]': C}),
    Case("timestamp[]", "string", {'{"2024-02-29 10:00"}': '{"2024-02-29 10:00:00"}'}, {"{x}": T}),
    Case("inet", "string", {"10.0.0.1": "10.0.0.1", "::1": "::1"}, {"10.0.0.256": T}),
    Case("cidr", "string", {"10.0.0.0/8": "10.0.0.0/8"}, {"10.0.0.1/8": T}),
    Case("macaddr", "string", {"08-00-2b-01-02-03": "08:00:2b:01:02:03"}, {"08": T}),
    Case("bit(3)", "string", {"101": "101"}, {"10": C, "1010": C, "abc": T}),
    Case("varbit(3)", "string", {"10": "10"}, {"1010": C}),
    Case("int4range", "string", {"[1,5)": "[1,5)"}, {"x": T, "[5,1)": T}),
    Case("point", "geopoint", {"1.5, 2": "(1.5,2)"}, {}),
    Case("pair", "string", {"(1,b)": "(1,b)"}, {"(x,b)": T}),
    Case("few", "array", {'["a"]': "{a}"}, {'["a", "b", "c"]': C}),
    Case("few", "string", {"{a}": "{a}"}, {"{a,b,c}": C, "a": T}),
    Case("feeling", "string", {"fine": "fine"}, {"bad": T}),
    Case("second", "datetime", {"2024-02-29T10:00:00Z": "2024-02-29 10:00:00+00"},
         {"2024-02-29T10:00:00.6Z": C}),
    Case("digits", "string", {"12": "12"}, {"x": C}),
    Case("digits", "integer", {"12": "12"}, {"-12": C}),
    Case("digits[]", "array", {'["1"]': "{1}", "[1]": "{1}"}, {'["x"]': C}),
    Case("timetz(0)", "time", {"10:00:00": "10:00:00+00"}, {"10:00:00.6": C}),
    Case("jsonb[]", "string", {"{1,2}": "{1,2}"}, {"{a}": T}),
    Case("date[]", "array", {'["2024-02-29"]': "{2024-02-29}"}, {'["2024-02-30"]': C}),
    Case("uuid[]", "list", {"123e4567-e89b-12d3-a456-426614174000": "{123e4567-e89b-12d3-a456-426614174000}"},
         {}),
    Case("oid", "string", {"12": "12"}, {"x": T}),
    Case("box", "string", {"(1,1),(0,0)": "(1,1),(0,0)"}, {"x": T}),
    Case("tsrange", "string", {"[2024-01-01,2024-01-02)": '["2024-01-01 00:00:00","2024-01-02 00:00:00")'},
         {"[x,y)": T}),
    Case("jsonpath", "string", {"$.a": '$."a"'}, {"$..": T}),
    Case("tsvector", "string", {"a b": "'a' 'b'"}, {}),
]  # fmt: skip


async def test_every_type(pool: PgPool, citext: None) -> None:
    """One table with a column for each case: a row for each value, which is NULL in all other columns."""
    await pool.execute("SET search_path = public; " + TYPES)
    await make(pool, [case.column for case in CASES])
    fields = [{"type": case.field} for case in CASES]
    rows: list[list[str | None]] = []
    good: dict[int, tuple[str, str, str]] = {}
    bad: dict[int, tuple[str, str, str]] = {}
    for place, case in enumerate(CASES):
        for text, answer in [*case.good.items(), *case.bad.items()]:
            rows.append([text if number == place else None for number in range(len(CASES))])
            found = good if text in case.good else bad
            found[len(rows)] = (f"c{place} {case.column}", text, answer)
    outcome = await load(pool, rows_of(table_of(fields), fields, rows))
    names = {f"c{place}": f"c{place} {case.column}" for place, case in enumerate(CASES)}
    refused = {row.row_number: row.errors for row in outcome.rows}
    assert {
        number: (names[error.field], error.value, error.code) for number, (error,) in refused.items()
    } == {number: (name, text, code) for number, (name, text, code) in bad.items()}
    loaded = await content(pool, len(CASES))
    assert {
        number: next((names[f"c{place}"], text) for place, text in enumerate(values) if text is not None)
        for number, values in loaded.items()
    } == {number: (name, text) for number, (name, _, text) in good.items()}


async def test_undo_brings_every_value_back(pool: PgPool, citext: None) -> None:
    """As it was, whatever its type."""
    await pool.execute("SET search_path = public; " + TYPES)
    cases = [(case, text) for case in CASES for text in case.good]
    await make(pool, [case.column for case, _ in cases], ", id integer PRIMARY KEY")
    fields = [*({"type": case.field} for case, _ in cases), {"type": "integer"}]
    columns = [*(name for name, _ in table_of(fields).columns[:-1]), "id"]
    kinds = [kind for _, kind in table_of(fields).columns]
    table = table_of(
        fields, primary_key=("id",), upsert=True, columns=tuple(zip(columns, kinds, strict=True))
    )
    before, after = new_process(), process_after_all_this()
    for process, values in ((before, [text for _, text in cases]), (after, [None] * len(cases))):
        of = key(rows=1, process=process)
        await PgSink(pool).load(of, rows_of(table, fields, [[*values, "1"]]), concluding(of))
        if process == before:
            there = await content(pool, len(cases))
    assert await content(pool, len(cases)) != there
    await PgUndo(pool, pool).undo(Loaded(after, "default", (), table, TABLE_SINK), dry_run=False)
    assert await content(pool, len(cases)) == there
