"""A dry run says of a file what the real run then does, and leaves no trace."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ingestor import AsyncClient, IngestorError
from ingestor.cli import ingest as use
from ingestor.cli.output import to_dict
from tests.e2e.conftest import Suite

PIPELINE: dict[str, Any] = {
    "name": "dry-orders",
    "schema": {
        "fields": [
            {"name": "id", "type": "integer", "constraints": {"required": True, "minimum": 1}},
            {"name": "name", "type": "string", "constraints": {"maxLength": 12, "pattern": "[^0-9]*"}},
            {"name": "price", "type": "number", "constraints": {"exclusiveMaximum": "1000"}},
            {"name": "day", "type": "date"},
            {"name": "kind", "type": "string", "constraints": {"enum": ["a", "b"]}},
        ],
        "missingValues": ["", "NULL"],
    },
    "transforms": [
        {"column": "name", "op": "trim"},
        {"column": "price", "op": "parse", "as": "number", "decimal": ".", "group": ","},
    ],
    "filters": [{"column": "kind", "op": "not_in", "values": ["x"], "reason": "not wanted"}],
    "rules": [{"name": "cheap things are a", "expression": "price > 10 OR kind = 'a'"}],
    "sink": {"table": "dry_orders"},
}
COLUMNS = ["id", "name", "price", "day", "kind"]
# Rows as texts: good ones, and every kind of error of a value.
ROWS = [
    ["1", "  Anna ", "1,234.5", "2024-02-29", "a"],  # too expensive
    ["2", "Bert", "12.50", "2024-02-29", "b"],
    ["", "Clara", "1", "2024-02-30", "a"],  # no id, no day of the calendar
    ["0", "a very long name indeed 7", "1e400", "", "c"],  # four errors
    ["5", "Eve", "1.234,5", "2024-01-01", "b"],  # refused by a transform
    ["6", "Fay", "3", "2024-01-01", "b"],  # breaks the rule
    ["7", "Gil", "3", "2024-01-01", "x"],  # filtered
    ["NULL", "NULL", "NULL", "NULL", "NULL"],
    ["9223372036854775808", "Hal", "NaN", "31.12.2024", "a"],
    ["10", "Ida", "0.1", "9999-12-31", "a"],
]


def _csv(rows: list[list[str]] = ROWS, end: str = "\n") -> str:
    quoted = [[f'"{cell}"' if set(cell) & set(',"\n') else cell for cell in row] for row in [COLUMNS, *rows]]
    return "".join(",".join(row) + end for row in quoted)


def _objects() -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]


def _xlsx() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.create_sheet("t", 0)
    for row in [COLUMNS, *ROWS, ["#N/A", "x", 1, 2, 3], [11, "late", 3.5, None, "a"]]:
        sheet.append(row)
    sheet["A12"].data_type = "e"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _parquet() -> bytes:
    buffer = io.BytesIO()
    names, *columns = COLUMNS, *zip(*ROWS, strict=True)
    arrays = [pa.array([None if cell == "NULL" else cell for cell in column]) for column in columns]
    pq.write_table(pa.table(arrays, names=names), buffer)
    return buffer.getvalue()


BROKEN = (
    _csv()
    + '20,open "quote,1,,a\n21,short\n22,long,1,,a,b\n\n23,"two\nlines",20,2024-01-01,b\n'
    + '24,"never closed,1,,a\n'
)
FILES: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = {
    "t.csv": (lambda: _csv().encode(), {}),
    "crlf.csv": (lambda: _csv(end="\r\n").encode(), {}),
    "semicolons.csv": (lambda: "\n".join(";".join(row) for row in [COLUMNS, *ROWS]).encode(), {}),
    "broken.csv": (lambda: BROKEN.encode(), {}),
    "bytes.csv": (lambda: _csv().encode() + b"30,\xff\xfe,1,,a\n32,ok,11,,b\n", {}),
    "large.csv": (lambda: _csv([*ROWS, *ROWS[1:2] * 120_000, *ROWS]).encode() + b"31,\0,1,,a\n", {}),
    "long.csv": (lambda: _csv().encode() + b"40," + b"x" * (17 * 2**20) + b",1,,a\n41,ok,1,,a\n", {}),
    "utf16.csv": (lambda: _csv().encode("utf-16"), {}),
    "t.csv.gz": (lambda: gzip.compress(BROKEN.encode()), {}),
    "t.csv.zst": (lambda: zstandard.compress(_csv().encode()), {}),
    "comments.csv": (
        lambda: ("title\n" + _csv() + "# remark\n" + "sum,,,,\n").encode(),
        {"commentChar": "#", "skipLines": 1, "skipFooter": 1},
    ),
    "ragged.csv": (lambda: BROKEN.encode(), {"ragged": "pad"}),
    "t.jsonl": (
        lambda: (
            b"".join(json.dumps(row).encode() + b"\n" for row in _objects()) + b'{"id": \n7\n{"id": 50}\n'
        ),
        {},
    ),
    "t.json": (lambda: json.dumps([*_objects(), 7, {"id": 51, "price": 2.50}]).encode(), {}),
    "t.xlsx": (_xlsx, {}),
    "t.parquet": (_parquet, {}),
    "header.csv": (lambda: (",".join(COLUMNS) + "\n").encode(), {}),
}
_TRACES = (
    "SELECT (SELECT count(*) FROM upload.uploads), (SELECT count(*) FROM status.processes), "
    "(SELECT count(*) FROM orchestrator.ingestions), (SELECT count(*) FROM processor.applied_batches), "
    "(SELECT count(*) FROM orchestrator.pipelines), (SELECT count(*) FROM pg_class WHERE relkind = 'r'), "
    "(SELECT count(*) FROM status.events)"
)


async def _counts(suite: Suite) -> tuple[Any, ...]:
    (found,) = await suite.fetch(_TRACES)
    return found


def _rows(rows: Any) -> list[dict[str, Any]]:
    """Rows that are no plain successes, as far as both say the same of them."""
    kept = ("row_number", "line_number", "state", "errors")
    return [{key: value for key, value in to_dict(row).items() if key in kept} for row in rows]


async def _real_run(client: AsyncClient, path: Path, pipeline: Path, dialect: str) -> tuple[Any, list[Any]]:
    process, _ = await use.ingest(
        client, path, str(pipeline), dialect, None, True, lambda *arguments: None
    )  # fmt: skip
    handle = await client.process(process.info.process_id, look=False)
    found = [row.raw async for row in handle.rows() if row.state != "SUCCEEDED"]
    return process, found[:1000]


@pytest.mark.parametrize("name", FILES)
async def test_a_dry_run_says_what_the_real_run_does(
    suite: Suite, client: AsyncClient, tmp_path: Path, name: str
) -> None:
    make, options = FILES[name]
    path = tmp_path / name
    path.write_bytes(make())
    document = {**PIPELINE, "name": f"dry-{name.replace('.', '-')}"}
    document["sink"] = {"table": f"dry_{name.replace('.', '_')}"}
    pipeline = tmp_path / "pipeline.json"
    pipeline.write_text(json.dumps(document))
    dialect = json.dumps(options) if options else ""

    before = await _counts(suite)
    dry = (await client.dry_run(path, pipeline, dialect)).raw
    assert await _counts(suite) == before

    process, rows = await _real_run(client, path, pipeline, dialect)
    assert to_dict(dry.counts) == to_dict(process.counts)
    assert _rows(dry.rows) == _rows(rows)
    if name != "header.csv":
        assert dry.counts.failed >= 6
        assert {error.code for row in dry.rows for error in row.errors} >= {
            "type-error", "constraint-error", "transform-error", "row-constraint", "filtered"
        }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "sink", "reason"),
    [
        ("empty.csv", b"", {}, "FILE_EMPTY"),
        ("lacks.csv", b"id,name\n1,a\n", {}, "HEADER_MISMATCH"),
        (
            "more.csv",
            (",".join([*COLUMNS, "more"]) + "\n").encode(),
            {"schemaDrift": "freeze"},
            "EXTRA_LABEL",
        ),
        ("cut.csv.gz", gzip.compress(_csv().encode())[:-9], {}, "COMPRESSION_DAMAGED"),
        ("cut.json", b'[{"id": 1}, {"id": ', {}, "JSON_INVALID"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_for_the_same_reason(
    suite: Suite,
    client: AsyncClient,
    tmp_path: Path,
    name: str,
    data: bytes,
    sink: dict[str, str],
    reason: str,
) -> None:
    path, pipeline = tmp_path / name, tmp_path / "pipeline.json"
    path.write_bytes(data)
    pipeline.write_text(json.dumps({**PIPELINE, "sink": {"table": "dry_refused", **sink}}))
    with pytest.raises(IngestorError) as caught:
        await client.dry_run(path, pipeline)
    process, _ = await _real_run(client, path, pipeline, "")
    said: Any = caught.value
    assert said.reason == process.failure.reason == reason
    assert said.message == process.failure.message


KEYED: dict[str, Any] = {
    "name": "dry-keyed",
    "schema": {
        "fields": [
            {"name": "id", "type": "number"},
            {"name": "shop", "type": "integer"},
            {"name": "name", "type": "string"},
        ],
        "primaryKey": "id",
        "foreignKeys": [{"fields": "shop", "reference": {"resource": "dry_shops", "fields": "id"}}],
    },
    "sink": {"table": "dry_keyed"},
}
SHOPS = {
    "name": "dry-shops",
    "schema": {"fields": [{"name": "id", "type": "integer"}], "primaryKey": "id"},
    "sink": {"table": "dry_shops"},
}
# In a table that is there nothing but the content of the relations may change, and that must not either.
_RELATIONS = (
    "SELECT count(*), (SELECT count(*) FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid "
    "WHERE n.nspname LIKE 'pg_temp%'), (SELECT count(*) FROM dry_shops) FROM pg_class"
)


@pytest.mark.parametrize("mode", ["append", "upsert"])
async def test_what_only_the_table_can_find(
    suite: Suite, client: AsyncClient, tmp_path: Path, mode: str
) -> None:
    """A hundred thousand rows, of which some have keys of others in several spellings, or keys that are
    taken, or refer to no row."""
    # The sink finds a row that an upsert must leave out by halves of the batch, each with tables of its own.
    step = 997 if mode == "append" else 45_007
    document = {**KEYED, "name": f"dry-keyed-{mode}", "sink": {"table": f"dry_keyed_{mode}", "mode": mode}}
    pipeline, shops = tmp_path / "pipeline.json", tmp_path / "shops.json"
    pipeline.write_text(json.dumps(document))
    shops.write_text(json.dumps(SHOPS))
    path, old, known = tmp_path / "t.csv", tmp_path / "old.csv", tmp_path / "shops.csv"
    known.write_text("id\n" + "".join(f"{number}\n" for number in range(100)))
    suite.ingest(known, "--pipeline", str(shops), status=0 if mode == "append" else 3)
    old.write_text("id,shop,name\n" + "".join(f"{number},1,old\n" for number in range(-5, 100_000, 1000)))
    lines = [f"{number},{number % 100},name {number}\n" for number in range(1, 100_001)]
    for place in range(333, 100_000, 999):
        # A row before it has that key, in other words. Both are in one batch of 50,000 rows: of two batches
        # the later one may be there first, and then nothing is known of the row's line.
        lines[place] = f"{place - 200}.0,1,again\n"
    for place in range(700, 100_000, step):
        lines[place] = f"{place},100,nowhere\n"
    lines += [f"{place + 1}.00,2,later\n" for place in range(700, 100_000, step)]  # those keys are free
    path.write_text("id,shop,name\n" + "".join(lines))

    relations = await suite.fetch(_RELATIONS)
    arguments = (str(path), "--pipeline", str(pipeline))
    missing = suite.json("ingest", *arguments, "--dry-run", status=3)
    assert await suite.fetch(_RELATIONS) == relations
    suite.ingest(old, "--pipeline", str(pipeline))
    before, relations = await _counts(suite), await suite.fetch(_RELATIONS)
    dry = suite.json("ingest", *arguments, "--dry-run", status=3)
    assert (await _counts(suite), await suite.fetch(_RELATIONS)) == (before, relations)
    answer = suite.ingest(path, "--pipeline", str(pipeline), status=3)
    assert {**dry["counts"], "unprocessed": 0} == answer["counts"]
    process = answer["process_id"]
    handle = await client.process(process, look=False)
    found = [row.raw async for row in handle.rows("status=FAILED", limit=1000)]
    assert [_of(row) for row in dry["rows"]] == [_of(row) for row in _rows(found)]
    codes = {error["code"] for row in dry["rows"] for error in row["errors"]}
    assert codes == {"foreign-key"} if mode == "upsert" else {"foreign-key", "primary-key"}
    # What was said before anything was there: only the keys of the old file make the difference.
    more = 0 if mode == "upsert" else len(range(995, 100_000, 1000))
    assert missing["counts"]["failed"] <= dry["counts"]["failed"] <= missing["counts"]["failed"] + more


def _of(row: Any) -> Any:
    return row["row_number"], row["line_number"], row["state"], row["errors"]


@pytest.mark.parametrize("made", ["id numeric, shop bigint, name text", "id text, shop bigint, name text"])
async def test_a_table_that_does_not_fit(
    suite: Suite, client: AsyncClient, tmp_path: Path, made: str
) -> None:
    table = f"dry_unfit_{made[3]}"
    connection = await asyncpg.connect(suite.dsn)
    await connection.execute(f"CREATE TABLE {table} ({made}, _row_number bigint, _process_id uuid)")
    await connection.execute(f"GRANT ALL ON {table} TO ingestor_processor")
    await connection.close()
    document = {**KEYED, "name": f"dry-unfit-{made[3]}", "sink": {"table": table}}
    path, pipeline = tmp_path / "t.csv", tmp_path / "pipeline.json"
    path.write_text("id,shop,name\n1,1,a\nx,1,b\n3,1,c\n")
    pipeline.write_text(json.dumps(document))
    dry = (await client.dry_run(path, pipeline)).raw
    process, rows = await _real_run(client, path, pipeline, "")
    assert to_dict(dry.counts) == to_dict(process.counts)
    assert dry.counts.failed == 3
    assert _rows(dry.rows) == _rows(rows)
    assert {error.code for row in dry.rows for error in row.errors} == {"sink-error"}


async def test_on_the_command_line(suite: Suite, tmp_path: Path) -> None:
    path, pipeline = tmp_path / "t.csv", tmp_path / "pipeline.json"
    path.write_text(_csv())
    pipeline.write_text(json.dumps({**PIPELINE, "name": "dry-cli", "sink": {"table": "dry_cli"}}))
    before = await _counts(suite)
    arguments = ("ingest", str(path), "--pipeline", str(pipeline), "--dry-run")
    dry = suite.json(*arguments, status=3)
    text = suite.run(*arguments, status=3).stdout
    assert "valid" in suite.run("pipelines", "apply", str(pipeline), "--dry-run").stdout
    assert await _counts(suite) == before
    assert 'row 5, line 6: price: "1.234,5" is not a number' in text
    answer = suite.ingest(path, "--pipeline", str(pipeline), status=3)
    assert {**dry["counts"], "unprocessed": 0} == answer["counts"]
    # A stored pipeline by its name, a file without one, a good file.
    assert suite.json(*arguments[:3], "dry-cli", arguments[4], status=3)["counts"] == dry["counts"]
    assert suite.json("ingest", str(path), "--dry-run")["counts"]["succeeded"] == len(ROWS)
    assert "PIPELINE_NOT_FOUND" in suite.run(*arguments[:3], "nowhere", arguments[4], status=1).stderr
    assert suite.run(*arguments, "--no-wait", status=2).stderr
