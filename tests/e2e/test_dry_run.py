"""A dry run says of a file what the real run then does, and leaves no trace."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ingestor.cli import ingest as use
from ingestor.cli.output import to_dict
from ingestor.client import Client
from ingestor.runtime.errors import ServiceError
from ingestor.tabular.errors import UnreadableFileError
from ingestor.v1 import common_pb2
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
    "(SELECT count(*) FROM processor.pipelines), (SELECT count(*) FROM pg_class WHERE relkind = 'r'), "
    "(SELECT count(*) FROM status.events)"
)


async def _counts(suite: Suite) -> tuple[Any, ...]:
    (found,) = await suite.fetch(_TRACES)
    return found


def _rows(rows: Any) -> list[dict[str, Any]]:
    """Rows that are no plain successes, as far as both say the same of them."""
    kept = ("row_number", "line_number", "state", "errors")
    return [{key: value for key, value in to_dict(row).items() if key in kept} for row in rows]


async def _real_run(client: Client, path: Path, pipeline: Path, dialect: str) -> tuple[Any, list[Any]]:
    process, _ = await use.ingest(
        client, path, str(pipeline), dialect, None, True, lambda *arguments: None
    )  # fmt: skip
    found: list[Any] = []
    token = ""
    while len(found) < 1000:
        page = await client.list_rows(process.info.process_id, "", 1000, token)
        found += [row for row in page.rows if row.state != common_pb2.ROW_STATE_SUCCEEDED]
        token = page.next_page_token
        if not token:
            break
    return process, found[:1000]


@pytest.mark.parametrize("name", FILES)
async def test_a_dry_run_says_what_the_real_run_does(
    suite: Suite, client: Client, tmp_path: Path, name: str
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
    dry = await client.validate_file(path, document_json=pipeline.read_text(), dialect=dialect)
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
    suite: Suite, client: Client, tmp_path: Path, name: str, data: bytes, sink: dict[str, str], reason: str
) -> None:
    path, pipeline = tmp_path / name, tmp_path / "pipeline.json"
    path.write_bytes(data)
    pipeline.write_text(json.dumps({**PIPELINE, "sink": {"table": "dry_refused", **sink}}))
    with pytest.raises((ServiceError, UnreadableFileError)) as caught:
        await client.validate_file(path, document_json=pipeline.read_text())
    process, _ = await _real_run(client, path, pipeline, "")
    said: Any = caught.value
    assert said.reason == process.failure.reason == reason
    assert said.message == process.failure.message


async def test_on_the_command_line(suite: Suite, tmp_path: Path) -> None:
    path, pipeline = tmp_path / "t.csv", tmp_path / "pipeline.json"
    path.write_text(_csv())
    pipeline.write_text(json.dumps({**PIPELINE, "name": "dry-cli", "sink": {"table": "dry_cli"}}))
    before = await _counts(suite)
    arguments = ("ingest", str(path), "--pipeline", str(pipeline), "--validate-only")
    dry = suite.json(*arguments, status=3)
    text = suite.run(*arguments, status=3).stdout
    assert await _counts(suite) == before
    assert 'row 5, line 6: price: "1.234,5" is not a number' in text
    answer = suite.ingest(path, "--pipeline", str(pipeline), status=3)
    assert {**dry["counts"], "unprocessed": 0} == answer["counts"]
    # A stored pipeline by its name, a file without one, a good file.
    assert suite.json(*arguments[:3], "dry-cli", arguments[4], status=3)["counts"] == dry["counts"]
    assert suite.json("ingest", str(path), "--validate-only")["counts"]["succeeded"] == len(ROWS)
    assert "PIPELINE_NOT_FOUND" in suite.run(*arguments[:3], "nowhere", arguments[4], status=1).stderr
    assert suite.run(*arguments, "--no-wait", status=2).stderr
