"""Pipelines in the running suite: versions, policies, tables that change, sinks of outside packages; with two
processors, one of which knows the example's sink by its installed package like the other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import Suite, wait_until
from tests.e2e.tables import readings_pipeline, write_readings


def _write(path: Path, document: dict[str, Any]) -> str:
    path.write_text(json.dumps(document), "utf-8")
    return str(path)


async def test_versions_come_and_go(two: Suite, tmp_path: Path) -> None:
    document = readings_pipeline("versioned")
    path, source = tmp_path / "p.json", write_readings(tmp_path / "r.csv", 10)
    two.run("pipelines", "apply", _write(path, document))
    two.run("pipelines", "apply", _write(path, {**document, "title": "second"}))
    first = two.ingest(source, "--pipeline", "versioned@1")
    assert first["pipeline"] == "versioned@1"
    listed = two.json("pipelines", "versions", "versioned")["pipelines"]
    assert [pipeline["version"] for pipeline in listed] == [2, 1]
    assert "versioned" in two.run("pipelines", "versions", "versioned").stdout

    assert two.json("pipelines", "delete", "versioned") == {"name": "versioned", "deleted": True}
    two.run("pipelines", "delete", "versioned")
    names = [pipeline["name"] for pipeline in two.json("pipelines", "list")["pipelines"]]
    assert "versioned" not in names
    assert "PIPELINE_NOT_FOUND" in two.run("pipelines", "get", "versioned", status=1).stderr
    refused = two.run("ingest", str(source), "--pipeline", "versioned", status=1)
    assert "PIPELINE_NOT_FOUND" in refused.stderr
    assert json.loads(two.run("pipelines", "get", "versioned@2").stdout)["title"] == "second"
    assert two.json("status", first["process_id"])["info"]["pipeline_version"] == 1
    assert "PIPELINE_NOT_FOUND" in two.run("pipelines", "delete", "never-was", status=1).stderr

    assert two.json("pipelines", "apply", str(path))["pipeline"]["version"] == 3
    assert two.json("pipelines", "get", "versioned")["version"] == 3


@pytest.mark.parametrize(
    ("rows", "bad_every", "policy", "state"),
    [
        (1000, 100, {"maxErrors": 10}, "COMPLETED_WITH_ERRORS"),
        (1000, 100, {"maxErrors": 9}, "FAILED"),
        (1000, 100, {"onError": "continue"}, "COMPLETED_WITH_ERRORS"),
        (1000, 1000, {"onError": "abort"}, "FAILED"),
        # Fewer than a thousand rows: a share is looked at in the end.
        (500, 10, {"maxErrors": "10%"}, "COMPLETED_WITH_ERRORS"),
        (500, 10, {"maxErrors": "9.9%"}, "FAILED"),
    ],
)
def test_policies(
    two: Suite, tmp_path: Path, rows: int, bad_every: int, policy: dict[str, Any], state: str
) -> None:
    name = "policy_" + "".join(filter(str.isalnum, f"{rows}{policy}")).lower()
    pipeline = _write(tmp_path / "p.json", {**readings_pipeline(name), "policy": policy})
    source = write_readings(tmp_path / "r.csv", rows, bad_every=bad_every)
    answer = two.ingest(source, "--pipeline", pipeline, status=1 if state == "FAILED" else 3)
    assert answer["state"] == state
    assert answer["counts"]["read"] == rows
    if state == "FAILED":
        assert answer["failure"]["reason"] == "TOO_MANY_ERRORS"


@pytest.mark.parametrize("policy", [{"maxErrors": 20}, {"onError": "abort"}])
async def test_a_process_is_stopped_early(two: Suite, tmp_path: Path, policy: dict[str, Any]) -> None:
    """The first rows are bad; most of the file is not loaded any more."""
    name = f"early_{next(iter(policy)).lower()}"
    pipeline = _write(tmp_path / "p.json", {**readings_pipeline(name), "policy": policy})
    source = write_readings(tmp_path / "r.csv", 1_200_000)
    text = source.read_text("utf-8")
    source.write_text(text.replace(".25\n", ".x\n", 30), "utf-8")
    answer = two.ingest(source, "--pipeline", pipeline, status=1)
    assert (answer["state"], answer["failure"]["reason"]) == ("FAILED", "TOO_MANY_ERRORS")
    assert answer["failure"]["message"]

    # What is counted as loaded is what is there, once the batches that were in work have been told too.
    deadline = time.monotonic() + 60
    while True:
        counts = two.json("status", answer["process_id"], status=1)["counts"]
        if await two.fetch(f"SELECT count(*) FROM {name}") == [(counts["succeeded"],)]:
            break
        assert time.monotonic() < deadline, "ledger and table never agreed"
    assert counts["failed"] == 30
    assert counts["succeeded"] < 1_000_000
    assert counts["read"] == counts["succeeded"] + counts["failed"] + counts["unprocessed"]


async def test_columns_that_nothing_reads(two: Suite, tmp_path: Path) -> None:
    source = tmp_path / "more.csv"
    source.write_text("id,name,amount,remark,ctid\n1,a,1,first,\n2,b,x,bad,\n3,c,3,,7\n", "utf-8")
    document = readings_pipeline("drifting")
    for drift, state in (("freeze", "FAILED"), ("discard", "COMPLETED_WITH_ERRORS")):
        document["sink"]["schemaDrift"] = drift
        pipeline = _write(tmp_path / "p.json", document)
        answer = two.ingest(source, "--pipeline", pipeline, status=1 if state == "FAILED" else 3)
        assert answer["state"] == state
        if state == "FAILED":
            assert answer["failure"]["reason"] == "EXTRA_LABEL"
            assert answer["failure"]["message"].endswith("does not read: remark, ctid.")
            assert await two.fetch("SELECT to_regclass('drifting')") == [(None,)]
    columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'drifting'::regclass AND attnum > 0"
    assert ("remark",) not in await two.fetch(columns)

    document["sink"] |= {"schemaDrift": "evolve", "mode": "upsert"}
    pipeline = _write(tmp_path / "p.json", document)
    answer = two.ingest(source, "--pipeline", pipeline, status=3)
    assert (answer["counts"]["succeeded"], answer["counts"]["failed"]) == (2, 1)
    found = await two.fetch("SELECT id, remark, ctid_a6768917 FROM drifting ORDER BY id")
    assert found == [(1, "first", None), (3, None, "7")]
    # The rejected row comes back with the file's own columns.
    two.run("report", answer["process_id"], "-o", str(tmp_path / "report.csv"))
    report = (tmp_path / "report.csv").read_text("utf-8").splitlines()
    assert report[0].startswith("id,name,amount,remark,ctid,_row,")


async def test_a_table_follows_its_pipeline(two: Suite, tmp_path: Path) -> None:
    """Version 2 has a field more; version 3 wants another type."""
    document = readings_pipeline("following")
    two.ingest(write_readings(tmp_path / "r.csv", 10), "--pipeline", _write(tmp_path / "p.json", document))
    later = tmp_path / "later.csv"
    later.write_text("id,name,amount,count\n11,a,1,7\n", "utf-8")
    document["schema"]["fields"].append({"name": "count", "type": "integer"})
    answer = two.ingest(later, "--pipeline", _write(tmp_path / "p.json", document), status=3)
    (group,) = two.json("errors", answer["process_id"])["groups"]
    assert (group["code"], group["example_message"]) == (
        "sink-error", "The table following has no column count."
    )  # fmt: skip
    document["sink"]["schemaDrift"] = "evolve"
    two.ingest(later, "--pipeline", _write(tmp_path / "p.json", document))
    assert await two.fetch("SELECT count FROM following WHERE id >= 10 ORDER BY id") == [(None,), (7,)]
    document["schema"]["fields"][-1] |= {"type": "boolean", "trueValues": ["7"]}
    answer = two.ingest(later, "--pipeline", _write(tmp_path / "p.json", document), status=3)
    (group,) = two.json("errors", answer["process_id"])["groups"]
    assert group["example_message"] == (
        "The column count of the table following is bigint, which takes no boolean: "
        "declare the field count as integer."
    )


async def test_many_files_change_a_table_at_once(two: Suite, tmp_path: Path) -> None:
    document = readings_pipeline("changing")
    document["sink"]["schemaDrift"] = "evolve"
    two.run("pipelines", "apply", _write(tmp_path / "p.json", document))
    paths = []
    for file in range(6):
        path = tmp_path / f"{file}.csv"
        labels = [f"extra_{file % 3}", f"own_{file}"]
        lines = [f"{file * 1000 + row},n,1,{labels[0]}:{row},{labels[1]}:{row}\n" for row in range(1000)]
        path.write_text(f"id,name,amount,{','.join(labels)}\n" + "".join(lines), "utf-8")
        paths.append(path)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda path: two.ingest(path, "--pipeline", "changing"), paths))
    assert {answer["state"] for answer in answers} == {"COMPLETED"}
    for file in range(6):
        extra, own = f"extra_{file % 3}", f"own_{file}"
        found = await two.fetch(
            f"SELECT count(*), bool_and({extra} = '{extra}:' || id % 1000), "
            f"bool_and({own} = '{own}:' || id % 1000) FROM changing WHERE {own} IS NOT NULL"
        )
        assert found == [(1000, True, True)]


def _files_pipeline(name: str, **options: Any) -> dict[str, Any]:
    document = readings_pipeline(name)
    return {**document, "sink": {"type": "batch-files", "options": {"folder": name, **options}}}


def _rows_of_files(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_a_sink_of_an_outside_package(two: Suite, tmp_path: Path, batch_files: Path) -> None:
    source = write_readings(tmp_path / "r.csv", 100, bad_every=50)
    source.write_text(source.read_text("utf-8") + f"101,{'x' * 300},1.50\n", "utf-8")
    pipeline = _write(tmp_path / "p.json", _files_pipeline("files", max_bytes=200))
    answer = two.ingest(source, "--pipeline", pipeline, status=3)
    assert (answer["counts"]["succeeded"], answer["counts"]["failed"]) == (98, 3)
    row = two.json("row", answer["process_id"], "101")
    assert [(e["code"], e["field"], e["message"], e["phase"]) for e in row["errors"]] == [
        ("sink-error", "name", "name: is longer than 200 bytes", "LOAD")
    ]
    rows = _rows_of_files(batch_files / "files")
    assert [row["_row_number"] for row in rows] == [n for n in range(1, 101) if n % 50]
    assert (rows[0]["id"], rows[0]["amount"]) == (1, "1.25")


def test_options_of_a_sink_are_checked_when_it_is_applied(two: Suite, tmp_path: Path) -> None:
    wrong = _write(tmp_path / "p.json", _files_pipeline("files", max_bytes=0))
    done = two.run("pipelines", "apply", wrong, status=1)
    assert "/sink/options/max_bytes: must be a positive number" in done.stderr
    unknown = _write(tmp_path / "p.json", {**_files_pipeline("files"), "sink": {"type": "nowhere"}})
    assert "/sink/type: no sink is named nowhere" in two.run("pipelines", "apply", unknown, status=1).stderr


async def test_a_processor_killed_while_an_outside_sink_writes(
    two: Suite, tmp_path: Path, batch_files: Path
) -> None:
    rows = 600_000
    source = write_readings(tmp_path / "r.csv", rows)
    pipeline = _write(tmp_path / "p.json", _files_pipeline("killed"))
    process = two.json("ingest", str(source), "--pipeline", pipeline, "--no-wait")["process_id"]
    # A file that is being written is a batch between its effect and its marker.
    await asyncio.to_thread(wait_until, lambda: list((batch_files / "killed").rglob(".*")), "a file in work")
    os.kill(two.pid("processor"), signal.SIGKILL)
    answer = two.json("watch", process)
    assert answer["counts"]["succeeded"] == rows
    numbers = [row["_row_number"] for row in _rows_of_files(batch_files / "killed")]
    assert (len(numbers), len(set(numbers)), max(numbers)) == (rows, rows, rows)
