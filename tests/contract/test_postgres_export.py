"""PostgreSQL's own CSV export of a table comes back in as it went out, for every type of a field."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from ingestor.checking.rows import check_rows
from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.tenant_pool import TenantPool
from ingestor.services.processor.pipelines import table_of
from ingestor.services.processor.ports import GoodRows
from ingestor.tabular.files.sample import read_sample, sample_table
from ingestor.tabular.options import parse_options
from ingestor.types.registry import ITEM_TYPES, TYPES
from tests.contract.sink.batches import concluding, key

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool
    from tests.contract.conftest import OpenPool

# Values besides the types' own examples. The ends of the calendar only come back in UTC.
EXTREMES = {
    "string": ["a,b", 'a "b"', "a\nb", "\\N", "\\.", " a ", "NULL", "é\U0001f600"],
    "integer": ["-9223372036854775808"],
    "number": ["1e-300", "-0.00", "1e30", "0.1000", "1" * 400],
    "date": ["9999-12-31"],
    "datetime": ["1880-06-01T12:00:00.25Z", "2024-07-01T10:00:00.000001Z"],
    "time": ["00:00:00", "23:59:59.999999"],
    "duration": ["P1Y2M10DT2H30M5.25S", "P11M", "PT999999999H999999999M", "P999999Y999999M", "PT0S", "-P3W"],
    "object": ['{"b": 1.50, "a": [1, {"c": null}]}', '{"é": "\\"\\\\"}'],
    "array": ["[]", "[1e30, 1.0]"],
    "list": ["[", "[x]"],
}
DIALECT = '{"delimiter": ",", "header": true, "skipLines": 0, "skipFooter": 0}'
ENDS_OF_TIME = {"datetime": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]}
# PostgreSQL writes fewer digits of such a year, and a moment before the year 1 in zones to the west.
LEFT_OUT = {"0033", "0001-01-01T00:00:00-01:30"}


def fields(extremes: dict[str, list[str]]) -> list[tuple[dict[str, Any], list[str]]]:
    """A field of each type and format, with its values."""
    found: list[tuple[dict[str, Any], list[str]]] = []
    for name, type_ in TYPES.items():
        formats = ["default"] if name in ("datetime", "date") else ["default", *type_.formats]
        values = [value for value in type_.examples if value not in LEFT_OUT] + extremes.get(name, [])
        found += [({"type": name, "format": format_}, values) for format_ in formats]
    for name, type_ in ITEM_TYPES.items():
        items = [value for value in type_.examples if value not in LEFT_OUT and "1709" not in value]
        found.append(({"type": "list", "itemType": name, "delimiter": "|"}, [*items, "|".join(items)]))
    return [({"name": f"f{number}", **keys}, values) for number, (keys, values) in enumerate(found)]


def pipeline_of(fields: list[dict[str, Any]], table: str) -> Pipeline:
    return parse_pipeline(
        json.dumps({"name": "export", "schema": {"fields": fields}, "sink": {"table": table}})
    )


async def load(pool: PgPool, data: bytes, pipeline: Pipeline) -> list[str]:
    """Load a file; what is wrong with rows of it."""
    sample = read_sample(io.BytesIO(data), len(data), "t.csv", parse_options(DIALECT))
    checked = check_rows(sample_table(sample), sample.names, pipeline)
    batch = key(rows=sample.record_count)
    rows = GoodRows(table_of(pipeline), checked.good, checked.good_index + batch.range.first_row)
    outcome = (await PgSink(pool).load(batch, rows, concluding(batch))).outcome
    assert outcome is not None
    assert outcome.rows == ()
    return [error.message for row in checked.rejected for error in row.errors]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns"])
async def test_an_export_comes_back_in_equal(pool_of: OpenPool, zone: str) -> None:
    pool = await TenantPool.of(await pool_of("processor"))
    extremes = {
        **EXTREMES,
        **({"datetime": EXTREMES["datetime"] + ENDS_OF_TIME["datetime"]} if zone == "UTC" else {}),
    }
    columns = fields(extremes)
    keys = [keys for keys, _ in columns]
    rows = [[keys["name"] for keys in keys]]
    for number, (_, values) in enumerate(columns):
        for value in values:
            rows.append([""] * len(columns))
            rows[-1][number] = value
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    await load(pool, out.getvalue().encode(), pipeline_of(keys, "first"))
    names = ", ".join(field["name"] for field in keys)
    export = io.BytesIO()
    async with pool.transaction() as connection:
        await connection.execute(f"SET LOCAL timezone = '{zone}'")
        await connection.copy_from_query(
            f"SELECT {names} FROM public.first ORDER BY _row_number", output=export, format="csv", header=True
        )
    assert await load(pool, export.getvalue(), pipeline_of(keys, "second")) == []
    texts = ", ".join(f"{field['name']}::text" for field in keys)
    first, second = [
        [tuple(row) for row in await pool.fetch(f"SELECT {texts} FROM public.{table} ORDER BY _row_number")]
        for table in ("first", "second")
    ]
    assert first == second
    filled = [any(row[number] is not None for row in first) for number in range(len(columns))]
    assert filled == [True] * len(columns)
