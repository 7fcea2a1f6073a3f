"""Good rows, written by Arrow and read by PostgreSQL's COPY, are in the table as they were in the file."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from typing import Any

import asyncpg
import pyarrow as pa
import pyarrow.csv

from ingestor.access.scope import row_security
from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.provisioning.database import provision
from ingestor.runtime.postgres.pool import open_pool
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.tenant_pool import TenantPool
from ingestor.services.processor.batches import BatchKey, BatchRange, RowBatch, outcome_of
from ingestor.services.processor.pipelines import sink_of, table_of
from ingestor.services.processor.ports import GoodRows
from ingestor.services.processor.reading import check
from tests.unit.checking.check_tables import pipeline, table

FIELDS: list[dict[str, Any]] = [
    {"name": "Text", "type": "string"},
    {"name": "integer", "type": "integer"},
    {"name": "number", "type": "number"},
    {"name": "boolean", "type": "boolean"},
    {"name": "date", "type": "date"},
    {"name": "datetime", "type": "datetime"},
]
# What a row has where a test is about another column.
PLAIN = ["text", "1", "1", "true", "2024-01-01", "2024-01-01T00:00:00Z"]


async def load(database_url: str, checked: CheckedRows, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """COPY the good rows into a new table with these column definitions; the table's rows in order."""
    buffer = io.BytesIO()
    numbered = checked.good.append_column("row", pa.array(range(checked.good.num_rows), pa.int64()))
    pyarrow.csv.write_csv(
        numbered, buffer, pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    )
    buffer.seek(0)
    # A server's own settings must not matter.
    settings = {"timezone": "America/New_York", "datestyle": "SQL, DMY"}
    connection = await asyncpg.connect(database_url, server_settings=settings)
    try:
        await connection.execute(f"CREATE TABLE t ({', '.join(columns)}, row bigint)")
        await connection.copy_to_table("t", source=buffer, format="csv")
        rows = await connection.fetch("SELECT * FROM t ORDER BY row")
    finally:
        await connection.close()
    return [tuple(row)[:-1] for row in rows]


def definitions(schema: Pipeline) -> list[str]:
    return [f'"{field.name}" {field.kind.postgres_type}' for field in schema.fields]


async def column_through(database_url: str, position: int, values: list[str], **schema: Any) -> list[Any]:
    """The values of one column, which all are good, after the way through the table."""
    columns = [values if at == position else [plain] * len(values) for at, plain in enumerate(PLAIN)]
    document = pipeline(*FIELDS, **schema)
    checked = check_rows(table(*columns), [field["name"] for field in FIELDS], document)
    assert not checked.rejected
    return [row[position] for row in await load(database_url, checked, definitions(document))]


async def test_texts(database_url: str) -> None:
    values = ["a", "", "NULL", "null", "\\N", "\\.", "\\", '"', '""', '"a", "b"', "a,b", "a\nb", "a\r\nb",
              "\r", " a ", "\t", "é漢\U0001f600", "\x01\x7f", "'", "--", "x" * 100_000, "\ufeff"]  # fmt: skip
    kept = await column_through(database_url, 0, values, missingValues=["NULL"])
    assert kept == [None if value == "NULL" else value for value in values]


async def test_an_empty_text_is_null_or_empty_as_the_pipeline_says(database_url: str) -> None:
    assert await column_through(database_url, 0, ["", "a"]) == [None, "a"]


async def test_integers(database_url: str) -> None:
    values = ["0", "-0", "+5", "007", str(2**53 + 1), str(2**63 - 1), str(-(2**63)), ""]
    assert await column_through(database_url, 1, values) == [0, 0, 5, 7, 2**53 + 1, 2**63 - 1, -(2**63), None]


async def test_numbers(database_url: str) -> None:
    values = [
        "0", "1.50", "-.5", "5.", "+1e3", "1E-3", "1e400", "-1e-400", "0.1", "9007199254740993", "1" * 131072,
        "0." + "3" * 16383, "1e131071", "1e-16383", "12.5e-16382", "0e99999", "0" * 200_000 + "1",
        "0e1073741823", "0." + "1" * 16384 + "e1", "1e000000000000000005", "",
    ]  # fmt: skip
    kept = await column_through(database_url, 2, values)
    expected = [Decimal(value) if value else None for value in values]
    assert kept == expected
    # The digits behind the point, zeros as well.
    assert str(kept[1]) == "1.50"


async def test_booleans(database_url: str) -> None:
    values = ["true", "True", "TRUE", "1", "false", "False", "FALSE", "0", ""]
    assert await column_through(database_url, 3, values) == [True] * 4 + [False] * 4 + [None]


async def test_dates(database_url: str) -> None:
    values = ["0001-01-01", "9999-12-31", "2024-02-29", "1970-01-01", "1582-10-10", "2024-03-04", ""]
    expected = [date.fromisoformat(value) if value else None for value in values]
    assert await column_through(database_url, 4, values) == expected


async def test_datetimes(database_url: str) -> None:
    values = ["2024-02-29T23:59:59", "2024-03-04 05:06:07.000001", "0001-01-01T00:00:00Z",
              "9999-12-31T23:59:59.999999", "2024-01-01T00:30:00+01:00", "1900-01-01T00:00:00-23:59", "",
              "1969-12-31T23:59:59.5Z"]  # fmt: skip
    assert await column_through(database_url, 5, values) == [
        datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
        datetime(2024, 3, 4, 5, 6, 7, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2023, 12, 31, 23, 30, tzinfo=UTC),
        datetime(1900, 1, 1, 23, 59, tzinfo=UTC),
        None,
        datetime(1969, 12, 31, 23, 59, 59, 500000, tzinfo=UTC),
    ]


async def test_rows_of_nulls_and_rows_beside_rejected_ones(database_url: str) -> None:
    document = pipeline(*FIELDS)
    columns = [[plain, "", "x", ""] for plain in PLAIN]
    checked = check_rows(table(*columns), [field["name"] for field in FIELDS], document)
    assert [row.row_number - 1 for row in checked.rejected] == [2]
    rows = await load(database_url, checked, definitions(document))
    day, moment = date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)
    assert rows == [("text", 1, Decimal(1), True, day, moment), (None,) * 6, (None,) * 6]


async def test_rows_without_a_pipeline(database_url: str) -> None:
    cells = ["", "\\", '"', "\\n", "\n", "\x01", "é\U0001f600", '{"a": 1}', "\\u0041", "\\.", "NULL"]
    labels = ["plain", 'with "quotes"', "\\", "é, ü"]
    checked = check_rows(table(*[cells] * len(labels)), labels, None)
    rows = await load(database_url, checked, ["data jsonb"])
    assert [json.loads(data) for (data,) in rows] == [dict.fromkeys(labels, cell) for cell in cells]


async def test_a_number_outside_the_range_is_what_postgresql_refuses(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    outside = ["1" * 131073, "1e131072", "1e-16384", "0." + "1" * 16384, "0e1073741824"]
    try:
        for value in outside:
            try:
                await connection.fetchval("SELECT ($1::text)::numeric", value)
            except asyncpg.DataError:
                continue
            raise AssertionError(f"PostgreSQL takes {value[:30]}")
    finally:
        await connection.close()
    columns = [outside if at == 2 else [plain] * len(outside) for at, plain in enumerate(PLAIN)]
    checked = check_rows(table(*columns), [field["name"] for field in FIELDS], pipeline(*FIELDS))
    assert len(checked.rejected) == len(outside)


REFUSED = object()


CASES: list[tuple[str, str, Any]] = [
    # 2^53 + 1: the first whole number that double precision does not have.
    ("integer", "9007199254740993", 9007199254740993),
    ("number", "9007199254740993", Decimal("9007199254740993")),
    ("string", "9007199254740993", "9007199254740993"),
    ("integer", "9007199254740993.0", REFUSED),
    ("integer", "9223372036854775808", REFUSED),
    ("number", "0.1", Decimal("0.1")),
    *(("number", text, Decimal(text)) for text in ("0.10000000000000000000000000000000000001",)),
    ("string", "0.1", "0.1"),
    ("string", "007", "007"),
    ("integer", "007", 7),
    ("number", "007.50", Decimal("7.50")),
    ("integer", "0x10", REFUSED),
    ("integer", "-0", 0),
    ("number", "-0", Decimal(0)),
    ("number", "-0.0", Decimal("0.0")),
    ("string", "-0", "-0"),
    ("number", "1e400", Decimal("1e400")),
    ("number", "-1e-400", Decimal("-1e-400")),
    ("number", "1e131072", REFUSED),
    ("number", "1e-16384", REFUSED),
    ("integer", "1e3", REFUSED),
    *((type_, text, REFUSED) for type_ in ("number", "integer") for text in
      ("NaN", "nan", "Infinity", "-Infinity", "inf", "+inf", "1,5", "1_000", " 1", "1 ", "\u0661", "1.5.0")),
    ("string", "NaN", "NaN"),
    ("date", "2024-02-29", date(2024, 2, 29)),
    ("date", "2023-02-29", REFUSED),
    ("date", "1900-02-29", REFUSED),
    ("date", "2024-02-30", REFUSED),
    ("date", "2024-2-3", REFUSED),
    ("date", "infinity", REFUSED),
    ("date", "today", REFUSED),
    ("datetime", "2024-02-30T00:00:00Z", REFUSED),
    ("datetime", "2024-02-29T23:59:60Z", REFUSED),
    ("datetime", "2024-02-29T24:00:00Z", REFUSED),
    ("datetime", "2024-02-29T23:59:59.1234567Z", REFUSED),
    ("datetime", "2024-02-29T23:59:59.123456Z", datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)),
    ("boolean", "yes", REFUSED),
    ("boolean", "1", True),
    ("year", "02024", REFUSED),
    ("yearmonth", "2024-13", REFUSED),
    ("time", "24:00:00", REFUSED),
]  # fmt: skip


# The newer types, by a field's keys; asyncpg gives jsonb as text, which PostgreSQL writes with all digits.
_BARE = {"type": "number", "bareNumber": False}
_INTEGERS = {"type": "list", "itemType": "integer"}
_NUMBERS = {"type": "list", "itemType": "number"}
FIELD_CASES: list[tuple[dict[str, Any], str, Any]] = [
    (_BARE, "€ 9007199254740993", Decimal("9007199254740993")),
    (_BARE, "0.10000000000000000000000000000000000001%", Decimal("0.10000000000000000000000000000000000001")),
    (_BARE, "1e400 m", Decimal("1e400")),
    ({**_BARE, "decimalChar": ",", "groupChar": "."}, "-9.007.199.254.740.993,1 €",
     Decimal("-9007199254740993.1")),
    ({"type": "integer", "bareNumber": False}, "No. 9007199254740993", 9007199254740993),
    ({"type": "integer", "bareNumber": False}, "9223372036854775808%", REFUSED),
    *((_BARE, text, REFUSED) for text in
      ("1 95%", "12-", "--5", "5 6", "(5)", "−5", "<5", "Rs.5", "1e131072 m")),
    (_INTEGERS, "9007199254740993,-9223372036854775808,007", "[9007199254740993, -9223372036854775808, 7]"),
    (_INTEGERS, "1,9223372036854775808", REFUSED),
    (_INTEGERS, "1,,2", REFUSED),
    (_NUMBERS, "9007199254740993,1.50,.1,5.,-0,0.10000000000000000000000000000000000001",
     "[9007199254740993, 1.50, 0.1, 5, 0, 0.10000000000000000000000000000000000001]"),
    (_NUMBERS, "1e400", "[1" + "0" * 400 + "]"),
    (_NUMBERS, "1e131072", REFUSED),
    (_NUMBERS, "NaN", REFUSED),
    ({"type": "list"}, "a, b,,\\,é", '["a", " b", "", "\\\\", "é"]'),
    ({"type": "list", "itemType": "boolean"}, "true,0", "[true, false]"),
    ({"type": "list", "itemType": "date"}, "2024-02-29,0001-01-01", '["2024-02-29", "0001-01-01"]'),
    ({"type": "list", "itemType": "date"}, "2023-02-29", REFUSED),
    ({"type": "list", "itemType": "datetime"}, "2024-02-29T23:59:59.5+01:00", '["2024-02-29T22:59:59.5Z"]'),
    ({"type": "time", "format": "%H:%M"}, "23:59", clock(23, 59)),
    ({"type": "array"}, "[9007199254740993, 0.10000000000000001]", "[9007199254740993, 0.10000000000000001]"),
    ({"type": "array"}, "[1e131072]", REFUSED),
    ({"type": "array"}, "[" * 200 + "]" * 200, "[" * 200 + "]" * 200),
    ({"type": "geopoint", "format": "array"}, "[8.5400000000000000001, -90]", "[8.5400000000000000001, -90]"),
    ({"type": "geopoint", "format": "array"}, "[180.0000000000000000000001, 0]", REFUSED),
    ({"type": "duration", "constraints": {"minimum": "P1M"}}, "P31D", timedelta(days=31)),
    ({"type": "integer", "categories": [{"value": 9007199254740993}]}, "9007199254740993", 9007199254740993),
]  # fmt: skip


async def test_exact_or_an_error(database_url: str) -> None:
    """The way of a batch into PostgreSQL, each value between two good rows: the value itself, or a row
    error; never something near."""
    dsns = await provision(database_url, {"processor": "secret"})
    async with open_pool(
        dsns["processor"], service="processor", schema="processor", size=2, prepare=row_security
    ) as pool:
        tenants = await TenantPool.of(pool)
        sink = PgSink(tenants)
        cases = [*(({"type": type_}, text, value) for type_, text, value in CASES), *FIELD_CASES]
        for number, (field, text, value) in enumerate(cases):
            document = parse_pipeline(json.dumps({
                "name": "p",
                "schema": {"fields": [{"name": "f", **field}], "missingValues": ["none"]},
                "sink": {"table": f"t_{number}"},
            }))  # fmt: skip
            cell = text.replace('"', '""')
            data = f'none\n"{cell}"\nnone\n'.encode()
            key = BatchKey(str(uuid.uuid4()), "default", BatchRange(1, 1, 3, 2, 0, len(data)))
            checked = check(RowBatch(key, ("f",), "p", 1, ",", data, None), data, document)
            rows = GoodRows(table_of(document), checked.good, checked.good_index + 1, sink_of(document))
            ended = outcome_of(key, checked.rejected)
            await sink.load(key, rows, lambda refused, ended=ended: ended)  # type: ignore[misc]
            query = f"SELECT _row_number, f FROM public.t_{number}"
            found = {row[0]: row[1] for row in await tenants.fetch(query)}
            errors = [(row.row_number, [e.code for e in row.errors]) for row in ended.rows]
            if value is REFUSED:
                assert (found, errors) == ({1: None, 3: None}, [(2, ["type-error"])]), (field, text)
            else:
                assert (found, errors) == ({1: None, 2: value, 3: None}, []), (field, text)
                assert type(found[2]) is type(value), (field, text)
