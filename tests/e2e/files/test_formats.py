"""Files of every format, encoding and compression through the running suite: the same rows come out."""

from __future__ import annotations

import gzip
import io
import json
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google_crc32c
import grpc
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ingestor.v1 import upload_pb2, upload_pb2_grpc
from tests.e2e.conftest import Suite

ROWS = [(number, f"Zoë {number}", f"{number}.50") for number in range(1, 2001)]
CSV = "id,name,price\n" + "".join(f"{number},{name},{price}\n" for number, name, price in ROWS)


def _zip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._t.csv", b"junk")
        archive.writestr("folder/t.csv", data)
    return buffer.getvalue()


def _xlsx() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.create_sheet("table", 0)
    sheet.append(["id", "name", "price"])
    for number, name, price in ROWS:
        sheet.append([number, name, price])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _parquet() -> bytes:
    ids, names, prices = zip(*ROWS, strict=True)
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": ids, "name": names, "price": prices}), buffer)
    return buffer.getvalue()


def _objects() -> list[dict[str, Any]]:
    return [{"id": number, "name": name, "price": price} for number, name, price in ROWS]


FILES: dict[str, Callable[[], bytes]] = {
    "t.csv": lambda: CSV.encode(),
    "utf16.csv": lambda: CSV.encode("utf-16"),
    "cp1252.csv": lambda: CSV.encode("cp1252"),
    "t.csv.gz": lambda: gzip.compress(CSV.encode()),
    "utf16.csv.zst": lambda: zstandard.compress(CSV.encode("utf-16")),
    "t.zip": lambda: _zip(CSV.encode("cp1252")),
    "t.jsonl": lambda: "".join(json.dumps(row) + "\n" for row in _objects()).encode(),
    "t.jsonl.gz": lambda: gzip.compress("".join(json.dumps(row) + "\n" for row in _objects()).encode()),
    "t.json": lambda: json.dumps(_objects(), indent=1).encode(),
    "t.xlsx": _xlsx,
    "t.parquet": _parquet,
}


@pytest.mark.parametrize("name", FILES)
async def test_every_format_gives_the_same_rows(suite: Suite, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    table = f"t_{uuid.uuid4().hex}"
    pipeline = tmp_path / "pipeline.json"
    fields = [
        {"name": "id", "type": "integer"},
        {"name": "name", "type": "string"},
        {"name": "price", "type": "number"},
    ]
    document = {
        "name": table.replace("_", "-")[:60], "schema": {"fields": fields, "primaryKey": "id"},
        "sink": {"table": table},
    }  # fmt: skip
    pipeline.write_text(json.dumps(document))
    dry = suite.json("ingest", str(path), "--pipeline", str(pipeline), "--dry-run")
    assert (dry["counts"]["read"], dry["counts"]["succeeded"]) == (2000, 2000)
    answer = suite.ingest(path, "--pipeline", str(pipeline))
    assert answer["counts"] == {
        "read": 2000, "succeeded": 2000, "failed": 0, "skipped": 0, "unprocessed": 0
    }  # fmt: skip
    found = await suite.fetch(f"SELECT id, name, price::text, _row_number FROM {table} ORDER BY id")
    assert found == [(number, name, price, number) for number, name, price in ROWS]
    dialect = json.loads(suite.json("status", answer["process_id"], status=None)["dialect_json"])
    assert dialect["format"] == {"jsonl": "jsonl", "json": "json", "xlsx": "xlsx", "parquet": "parquet"}.get(
        name.removesuffix(".gz").rpartition(".")[2], "csv"
    )


async def test_a_dialect_that_the_fast_reader_does_not_know(suite: Suite, tmp_path: Path) -> None:
    path = tmp_path / "odd.txt"
    path.write_text(
        "exported by X\n# comment\nid§name\n1§'it\\'s'\n2§'two\nlines'\n3\n# another\n4§'bad' cell\ntotal§4\n"
    )
    dialect = {
        "delimiter": "§", "quoteChar": "'", "escapeChar": "\\", "commentChar": "#", "skipLines": 1,
        "skipFooter": 1,
    }  # fmt: skip
    answer = suite.ingest(path, "--dialect", json.dumps(dialect), status=3)
    process = answer["process_id"]
    assert answer["counts"] == {"read": 6, "succeeded": 2, "failed": 2, "skipped": 2, "unprocessed": 0}
    rows = await suite.fetch("SELECT data FROM ingested_rows WHERE _process_id = $1::uuid", process)
    assert sorted(json.loads(row[0])["name"] for row in rows) == ["it's", "two\nlines"]
    row = suite.json("row", process, "3")
    assert (row["line_number"], row["errors"][0]["code"]) == (7, "missing-cell")
    assert [suite.json("row", process, str(n))["errors"][0]["code"] for n in (4, 5, 6)] == [
        "comment-row", "quote-error", "footer-row"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("bomb.csv.gz", gzip.compress(b"a,b\n" * (50 * 2**20)), "EXPANDS_TOO_FAR"),
        ("cut.csv.gz", gzip.compress(CSV.encode())[:-20], "COMPRESSION_DAMAGED"),
        ("two.gz", gzip.compress(gzip.compress(CSV.encode())), "ARCHIVE_UNSUITABLE"),
        ("cut.xlsx", _xlsx()[:-200], "XLSX_INVALID"),
        ("cut.parquet", _parquet()[:-8], "PARQUET_INVALID"),
        ("cut.json", b'[{"id": 1}, {"id": ', "JSON_INVALID"),
        ("empty.csv.gz", gzip.compress(b"", mtime=0), "FILE_EMPTY"),
    ],
)
def test_an_unreadable_file_fails_with_a_reason(
    suite: Suite, tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    answer = suite.ingest(path, status=1)
    assert (answer["state"], answer["failure"]["reason"]) == ("FAILED", reason)
    assert answer["counts"]["read"] == 0


async def test_an_open_upload_is_inspected(suite: Suite) -> None:
    async with grpc.aio.insecure_channel(suite.gateway) as channel:
        stub = upload_pb2_grpc.UploadServiceStub(channel)
        created = await stub.CreateUpload(upload_pb2.CreateUploadRequest(file_name="r.csv"))
        upload_id = created.upload.upload_id
        data = b"id;name\n1;a\n2;b;c\n3;"
        chunk = upload_pb2.FileChunk(offset=0, data=data, crc32c=google_crc32c.value(data))
        await stub.WriteChunk(upload_pb2.WriteChunkRequest(upload_id=upload_id, chunk=chunk))
        found = await stub.InspectUpload(upload_pb2.InspectUploadRequest(upload_id=upload_id))
        assert json.loads(found.dialect_json)["delimiter"] == ";"
        assert [(column.name, column.type) for column in found.columns] == [
            ("id", "integer"),
            ("name", "string"),
        ]
        assert [list(row.cells) for row in found.first_rows] == [["1", "a"]]
        assert [(record.row_number, record.error.code) for record in found.rejected] == [(2, "extra-cell")]
        assert not found.complete


def test_inspect_and_infer_on_the_command_line(suite: Suite, tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(_xlsx())
    assert "integer" in suite.run("inspect", str(path)).stdout
    pipeline = tmp_path / "p.json"
    pipeline.write_text(suite.run("pipelines", "infer", str(path)).stdout)
    answer = suite.ingest(path, "--pipeline", str(pipeline))
    assert answer["counts"]["succeeded"] == len(ROWS)
