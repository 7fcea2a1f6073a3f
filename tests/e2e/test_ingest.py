"""A file from the command line to the table, and everything a user may ask afterwards."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e.conftest import Suite, stopped, wait_until
from tests.e2e.tables import write_pipeline, write_readings


async def test_a_clean_file_lands_in_its_table(suite: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "clean_readings")
    answer = suite.ingest(write_readings(tmp_path / "r.csv", 5_000), "--pipeline", str(pipeline))
    assert answer["state"] == "COMPLETED"
    assert answer["counts"] == {
        "read": 5_000, "succeeded": 5_000, "failed": 0, "skipped": 0, "unprocessed": 0
    }  # fmt: skip
    rows = await suite.fetch(
        "SELECT count(*), count(DISTINCT _row_number), sum(amount), bool_and(id = _row_number), "
        "count(DISTINCT _process_id) FROM clean_readings"
    )
    assert rows == [(5_000, 5_000, Decimal("12503750.00"), True, 1)]
    cost = suite.json("status", answer["process_id"])["cost"]
    units = -(-cost["message_bytes"] // (64 * 2**10))
    # One message of all rows: sent, received, deleted. A small file is one segment.
    assert cost["message_bytes"] > 10_000
    assert (cost["queue_requests"], cost["storage_writes"], cost["storage_reads"]) == (2 * units + 1, 6, 1)
    assert cost["dollars_per_million_rows"] == pytest.approx(cost["dollars"] * 200)


async def test_bad_rows_come_back_with_reasons(suite: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "some_bad_readings")
    source = write_readings(tmp_path / "r.csv", 1_000, bad_every=100)
    answer = suite.ingest(source, "--pipeline", str(pipeline), status=3)
    process = answer["process_id"]
    assert answer["state"] == "COMPLETED_WITH_ERRORS"
    assert (answer["counts"]["succeeded"], answer["counts"]["failed"]) == (990, 10)

    suite.run("report", process, "-o", str(tmp_path / "report.csv"))
    report = list(csv.DictReader(io.StringIO((tmp_path / "report.csv").read_text("utf-8"))))
    assert [int(row["_row"]) for row in report] == list(range(100, 1_001, 100))
    assert [int(row["_line"]) for row in report] == [number + 1 for number in range(100, 1_001, 100)]
    assert {row["_code"] for row in report} == {"type-error"}
    assert {row["_field"] for row in report} == {"amount"}
    assert [row["id"] for row in report] == [row["_row"] for row in report]
    assert report[0]["amount"] == report[0]["_value"] == "n/a"

    rows = suite.json("rows", process, "--filter", 'status=FAILED AND code="type-error" AND row>=900')
    assert [int(row["row_number"]) for row in rows["rows"]] == [900, 1000]
    assert suite.json("row", process, "100")["state"] == "FAILED"
    assert suite.json("row", process, "101")["state"] == "SUCCEEDED"
    groups = suite.json("errors", process)["groups"]
    assert [(group["code"], group["field"], int(group["count"])) for group in groups] == [
        ("type-error", "amount", 10)
    ]
    assert suite.json("status", process, status=3)["state"] == "COMPLETED_WITH_ERRORS"
    assert suite.json("watch", process, status=3)["state"] == "COMPLETED_WITH_ERRORS"


async def test_without_a_pipeline_every_cell_is_text(suite: Suite, tmp_path: Path) -> None:
    source = tmp_path / "any.csv"
    source.write_text('a;b\n1;"x;""y"""\n;é\n', "utf-8")
    answer = suite.ingest(source)
    assert answer["counts"]["succeeded"] == 2
    rows = await suite.fetch(
        "SELECT _row_number, data::text FROM ingested_rows WHERE _process_id = $1::uuid ORDER BY 1",
        answer["process_id"],
    )
    assert [(number, json.loads(data)) for number, data in rows] == [
        (1, {"a": "1", "b": 'x;"y"'}),
        (2, {"a": "", "b": "é"}),
    ]


async def test_the_same_file_twice_is_refused_row_by_row(suite: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "twice_readings")
    source = write_readings(tmp_path / "r.csv", 3_000)
    suite.ingest(source, "--pipeline", str(pipeline))
    answer = suite.ingest(source, "--pipeline", str(pipeline), status=3)
    assert (answer["counts"]["succeeded"], answer["counts"]["failed"]) == (0, 3_000)
    assert suite.json("errors", answer["process_id"])["groups"][0]["code"] == "primary-key"
    assert await suite.fetch("SELECT count(*) FROM twice_readings") == [(3_000,)]


async def test_events_tell_the_history(suite: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "event_readings")
    answer = suite.ingest(write_readings(tmp_path / "r.csv", 10), "--pipeline", str(pipeline))
    types = [event["type"] for event in suite.json("events", answer["process_id"])["events"]]
    assert sorted(types) == [
        "ingestion.completed", "ingestion.started", "rows.dispatched", "rows.processed"
    ]  # fmt: skip
    assert types[0] == "ingestion.started"
    assert types[-1] == "ingestion.completed"


async def test_an_unknown_pipeline_is_said_before_anything_is_loaded(suite: Suite, tmp_path: Path) -> None:
    source = write_readings(tmp_path / "r.csv", 1)
    done = suite.run("ingest", str(source), "--pipeline", "no-such-pipeline", status=1)
    assert "PIPELINE_NOT_FOUND" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_header_that_does_not_fit_fails_the_file(suite: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "header_readings")
    source = tmp_path / "r.csv"
    source.write_text("id,title\n1,x\n", "utf-8")
    answer = suite.ingest(source, "--pipeline", str(pipeline), status=1)
    assert answer["state"] == "FAILED"
    assert answer["failure"]["reason"] == "HEADER_MISMATCH"
    assert "name" in answer["failure"]["message"]
    assert "amount" in answer["failure"]["message"]


async def test_a_second_file_replaces_by_key(suite: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "upserted", mode="upsert")
    suite.ingest(write_readings(tmp_path / "a.csv", 5_000), "--pipeline", str(pipeline))
    later = tmp_path / "b.csv"
    later.write_text("id,name,amount\n2,changed,1\n6000,new,2\n2,changed again,3\n")
    answer = suite.ingest(later, "--pipeline", str(pipeline))
    assert answer["counts"]["succeeded"] == 3
    found = await suite.fetch("SELECT name, amount FROM upserted WHERE id IN (2, 6000) ORDER BY id")
    assert found == [("changed again", 3), ("new", 2)]
    assert await suite.fetch("SELECT count(*) FROM upserted") == [(5_001,)]


async def test_too_many_errors_end_the_process(suite: Suite, tmp_path: Path) -> None:
    document = json.loads(write_pipeline(tmp_path, "given_up").read_text())
    document["policy"] = {"maxErrors": "10%"}
    pipeline = tmp_path / "p.json"
    pipeline.write_text(json.dumps(document))
    source = write_readings(tmp_path / "r.csv", 400_000, bad_every=2)
    answer = suite.ingest(source, "--pipeline", str(pipeline), status=1)
    assert (answer["state"], answer["failure"]["reason"]) == ("FAILED", "TOO_MANY_ERRORS")
    counts = answer["counts"]
    assert counts["failed"] >= 100
    assert counts["read"] == counts["succeeded"] + counts["failed"] + counts["unprocessed"]


async def test_transforms_filters_and_rules(suite: Suite, tmp_path: Path) -> None:
    document = {
        "name": "orders",
        "schema": {
            "fields": [
                {"name": "first", "type": "string"},
                {"name": "total", "type": "number"},
                {"name": "starts", "type": "date"},
                {"name": "ends", "type": "date"},
            ]
        },
        "transforms": [
            {"column": "name", "op": "split", "separator": " ", "into": ["first"], "max": 2},
            {"column": "price", "op": "parse", "as": "number", "decimal": ",", "group": "."},
            {"into": "total", "op": "expression", "sql": "CAST(price AS DECIMAL(12, 2)) * CAST(qty AS INT)"},
        ],
        "filters": [{"column": "country", "op": "not_in", "values": ["XX"], "reason": "not our market"}],
        "rules": [{"name": "order", "expression": "starts <= ends", "message": "starts is after ends"}],
        "sink": {"table": "orders"},
    }
    pipeline, source = tmp_path / "p.json", tmp_path / "o.csv"
    pipeline.write_text(json.dumps(document), "utf-8")
    source.write_text(
        "name;price;qty;country;starts;ends\n"
        "Anna B;1.234,50;2;DE;2024-01-01;2024-02-01\n"
        "Bo;1;1;XX;2024-01-01;\n"
        "Cy;1,2.3;1;DE;2024-01-01;\n"
        "Di D;2;3;FR;2024-01-02;2024-01-01\n"
    )
    dry = suite.json("ingest", str(source), "--pipeline", str(pipeline), "--dry-run", status=3)
    answer = suite.ingest(source, "--pipeline", str(pipeline), status=3)
    assert (answer["counts"]["succeeded"], answer["counts"]["failed"], answer["counts"]["skipped"]) == (
        1,
        2,
        1,
    )
    assert await suite.fetch("SELECT first, total, starts::text FROM orders") == [
        ("Anna", Decimal("2469.00"), "2024-01-01")
    ]
    suite.run("report", answer["process_id"], "-o", str(tmp_path / "report.csv"))
    report = list(csv.DictReader(io.StringIO((tmp_path / "report.csv").read_text("utf-8"))))
    assert [(row["_row"], row["_code"], row["price"]) for row in report] == [
        ("2", "filtered", "1"),
        ("3", "transform-error", "1,2.3"),
        ("4", "row-constraint", "2"),
    ]
    assert dry["counts"] == {key: answer["counts"][key] for key in dry["counts"]}


def test_nobody_waits_for_an_orchestrator_that_hangs(suite: Suite, tmp_path: Path) -> None:
    """The file is there, and its process has an identifier, before anybody reads it."""
    source = write_readings(tmp_path / "waits.csv", 1000)
    with stopped(suite.pid("orchestrator")):
        begun = suite.ingest(source, "--no-wait")
        assert (begun["state"], begun["file_name"]) == ("PENDING", "waits.csv")
    process = begun["process_id"]
    wait_until(lambda: suite.run("status", process, status=None).returncode == 0, "the process")
    done = suite.json("watch", process)
    assert (done["state"], done["counts"]["succeeded"]) == ("COMPLETED", 1000)
