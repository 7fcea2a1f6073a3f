"""One pipeline for a table, in whatever file it comes: format, encoding, delimiter, labels, a column less."""

from __future__ import annotations

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import google_crc32c
import grpc
import openpyxl

from ingestor.v1 import (
    common_pb2,
    pipelines_pb2,
    pipelines_pb2_grpc,
    upload_pb2,
    upload_pb2_grpc,
)
from tests.e2e.conftest import Suite

CSV = (
    "Kunden-Nr;Straße;Umsatz;seit;Notiz\n"
    "{0}1;Äckerweg;1.234,50;29.02.2024;a\n"
    "{0}2;Höfe;12.345,00;01.03.2024;b\n"
)


def _workbook(path: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Kd-Nr", "Straße", "Umsatz", "seit"])
    sheet.append([31, "Äckerweg", 1234.5, date(2024, 2, 29)])
    sheet.append([32, "Höfe", 12.345, date(2024, 3, 1)])
    sheet.append([33, "Wiese", "12.345", "02.03.2024"])
    book.save(path)
    return path


async def test_every_file_of_a_table_loads_through_the_pipeline_of_the_first(
    suite: Suite, tmp_path: Path
) -> None:
    first = tmp_path / "kunden-umsatz.csv"
    first.write_bytes(CSV.format(1).encode("cp1252"))
    document = json.loads(suite.run("pipelines", "infer", str(first)).stdout)
    assert "dialect" not in document
    assert [field["name"] for field in document["schema"]["fields"]] == [
        "kunden_nr", "strasse", "umsatz", "seit", "notiz"
    ]  # fmt: skip
    document["schema"]["fields"][0]["labels"] = ["Kd-Nr", "Customer"]
    pipeline = tmp_path / "pipeline.json"
    pipeline.write_text(json.dumps(document))
    suite.run("pipelines", "apply", str(pipeline))
    packed = tmp_path / "packed.txt.gz"
    packed.write_bytes(gzip.compress(CSV.format(2).replace(";", "\t").encode("utf-16")))
    workbook = _workbook(tmp_path / "kunden.xlsx")
    name = document["name"]
    for path, more, rows in (
        (first, (), 2),
        (packed, (), 2),
        (workbook, ("--dialect", '{"missingColumns": "ignore"}'), 3),
    ):
        tried = suite.json("ingest", str(path), "--pipeline", name, "--dry-run", *more)
        assert tried["counts"]["succeeded"] == rows, tried
        counts = suite.ingest(path, "--pipeline", name, *more)["counts"]
        assert counts["succeeded"] == rows
    table = document["sink"]["table"]
    query = f"SELECT kunden_nr, strasse, umsatz, seit, notiz FROM {table} ORDER BY 1"
    leap, march = date(2024, 2, 29), date(2024, 3, 1)
    assert await suite.fetch(query) == [
        (11, "Äckerweg", Decimal("1234.50"), leap, "a"),
        (12, "Höfe", Decimal("12345.00"), march, "b"),
        (21, "Äckerweg", Decimal("1234.50"), leap, "a"),
        (22, "Höfe", Decimal("12345.00"), march, "b"),
        (31, "Äckerweg", Decimal("1234.5"), leap, None),
        (32, "Höfe", Decimal("12.345"), march, None),
        (33, "Wiese", Decimal("12345"), date(2024, 3, 2), None),
    ]

    async with grpc.aio.insecure_channel(suite.gateway) as channel:
        catalogue = pipelines_pb2_grpc.PipelineServiceStub(channel)

        async def loaded(*columns: str) -> list[str]:
            request = pipelines_pb2.ListPipelinesRequest(loaded_columns=columns)
            return [found.name for found in (await catalogue.ListPipelines(request)).pipelines]

        assert await loaded("Notiz", "Kunden-Nr", "Straße", "Umsatz", "seit") == [name]
        assert await loaded("Kd-Nr", "Straße", "Umsatz", "seit") == [name]
        assert await loaded("Kunden-Nr", "Straße", "Umsatz", "seit") == []


async def test_a_dry_run_tells_what_is_in_the_table(suite: Suite, tmp_path: Path) -> None:
    fields = [{"name": "id", "type": "integer"}]
    document = {"name": "told", "schema": {"fields": fields}, "sink": {"table": "told_table"}}
    pipeline, path = tmp_path / "told.json", tmp_path / "told.csv"
    pipeline.write_text(json.dumps(document))
    path.write_text("id\n" + "".join(f"{number}\n" for number in range(7)))
    data = b"id\n" + b"".join(b"%d\n" % number for number in range(10_001)) + b"5\n"
    async with grpc.aio.insecure_channel(suite.gateway) as channel:
        stub = upload_pb2_grpc.UploadServiceStub(channel)
        created = await stub.CreateUpload(upload_pb2.CreateUploadRequest(file_name="told.csv"))
        upload_id = created.upload.upload_id
        chunk = upload_pb2.FileChunk(offset=0, data=data, crc32c=google_crc32c.value(data))
        await stub.WriteChunk(upload_pb2.WriteChunkRequest(upload_id=upload_id, chunk=chunk))
        request = upload_pb2.DryRunUploadRequest(upload_id=upload_id, document_json=json.dumps(document))
        assert (await stub.DryRunUpload(request)).table == common_pb2.TableNow(name="told_table")
        suite.ingest(path, "--pipeline", str(pipeline))
        told = (await stub.DryRunUpload(request)).table
        assert told == common_pb2.TableNow(name="told_table", exists=True, row_count=7)
        path.write_bytes(data)
        suite.ingest(path, "--pipeline", "told")
        await suite.fetch("ANALYZE told_table")
        told = (await stub.DryRunUpload(request)).table
        assert (told.row_count, told.estimated) == (10_009, True)
        json_rows = upload_pb2.DryRunUploadRequest(upload_id=upload_id)
        assert not (await stub.DryRunUpload(json_rows)).HasField("table")

        keyed = upload_pb2.InspectUploadRequest(upload_id=upload_id, key=["id"], sample_rows=20_000)
        found = await stub.InspectUpload(keyed)
        assert (found.duplicate_count, list(found.duplicate_rows)) == (1, [10_002])
        assert not found.columns[0].unique
