"""The end of a process's life on the running suite: undone, deleted, expired."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ingestor import AsyncClient
from ingestor.access.keyring import KeyRing
from ingestor.local.folder import Folder
from ingestor.services.orchestrator.adapters.sqs_rows import SqsRows
from ingestor.services.orchestrator.ingestions import Batch, Content, FileInfo, Layout
from ingestor.services.orchestrator.ports import Message
from tests.e2e.conftest import Suite
from tests.e2e.tables import readings_pipeline, write_pipeline, write_readings
from tests.e2e.test_crashes import rows_queue, sqs

HEADER = "id,name,amount\n"
# Every record of a process but its tombstones.
LEFT = """
SELECT (SELECT count(*) FROM upload.uploads WHERE process_id = $1::uuid),
       (SELECT count(*) FROM upload.deliveries WHERE process_id = $1::uuid),
       (SELECT count(*) FROM orchestrator.ingestions WHERE process_id = $1::uuid),
       (SELECT count(*) FROM orchestrator.batches WHERE process_id = $1::uuid),
       (SELECT count(*) FROM processor.applied_batches WHERE process_id = $1::uuid),
       (SELECT count(*) FROM processor.replaced_rows WHERE replaced_by = $1::uuid),
       (SELECT count(*) FROM status.batches WHERE process_id = $1::uuid),
       (SELECT count(*) FROM status.row_exceptions WHERE process_id = $1::uuid),
       (SELECT count(*) FROM status.error_counts WHERE process_id = $1::uuid)
"""
NOTHING = (0,) * 9


async def left(suite: Suite, process: str) -> tuple[Any, ...]:
    """Records of a process in all four schemas."""
    return (await suite.fetch(LEFT, process))[0]


async def until_left(suite: Suite, process: str, expected: tuple[int, ...]) -> None:
    """Wait for the removers."""
    async with asyncio.timeout(60):
        while await left(suite, process) != expected:
            await asyncio.sleep(0.1)


async def stored_files(suite: Suite, process: str) -> list[Path]:
    """The files of a process on the disk."""
    keys = await suite.fetch(
        "SELECT unnest(ARRAY[u.file_key, d.content_key]) FROM upload.uploads u "
        "JOIN upload.deliveries d USING (upload_id) WHERE u.process_id = $1::uuid",
        process,
    )
    names = {Path(key[0]).name for key in keys if key[0]}
    return [path for path in suite.data.rglob("*") if path.name in names]


def ingest(suite: Suite, folder: Path, table: str, mode: str, rows: dict[int, str]) -> str:
    """Ingest rows of id and name; the process."""
    source = folder / "rows.csv"
    source.write_text(HEADER + "".join(f"{id_},{name},1\n" for id_, name in rows.items()), "utf-8")
    return str(suite.ingest(source, "--pipeline", str(write_pipeline(folder, table, mode)))["process_id"])


async def names(suite: Suite, table: str) -> dict[int, str]:
    """The table's names by id."""
    return dict(await suite.fetch(f"SELECT id, name FROM {table}"))


async def test_a_deleted_process_leaves_nothing_and_never_comes_back(suite: Suite, tmp_path: Path) -> None:
    table = "deleted_readings"
    pipeline = write_pipeline(tmp_path, table, "upsert")
    # JSON Lines are converted, so there are two files.
    source = tmp_path / "r.jsonl"
    lines = [{"id": n, "name": "x", "amount": "bad" if n == 50 else n} for n in range(1, 101)]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    process = suite.ingest(source, "--pipeline", str(pipeline), status=3)["process_id"]
    files = await stored_files(suite, process)
    assert len(files) == 2
    assert await left(suite, process) == (1, 1, 1, 1, 1, 0, 1, 1, 1)
    (facts,) = await suite.fetch(
        "SELECT columns, file_key, content_bytes, normal_form FROM orchestrator.ingestions "
        "WHERE process_id = $1::uuid",
        process,
    )
    assert suite.json("delete", process) == {"process_id": process, "deleted": True}
    assert suite.json("delete", process)["deleted"]
    assert "PROCESS_DELETED" in suite.run("status", process, status=1).stderr
    await until_left(suite, process, NOTHING)
    assert not any(path.exists() for path in files)
    loaded = await names(suite, table)
    assert len(loaded) == 99

    # A message that comes late, of a batch that was there and of one that was not.
    columns, file_key, size, normal = facts
    file = FileInfo(process, "default", "u", "r.jsonl", size, table.replace("_", "-"), 1)
    layout = Layout(tuple(columns), ",", 0, 1)
    async with sqs(suite) as queue:
        keys = KeyRing.parse(f"local:{Folder(Path(suite.facts['data'])).password('internal')}")
        rows = SqsRows(queue, (await rows_queue(queue)).rpartition("/")[2], keys)
        for number in (1, 2):
            batch = Batch(number, number * 100 - 99, 1, 2, 3, 0, 99)
            data = f"2,,{number}000,late,7\n".encode() if normal else f"{number}000,late,7\n".encode()
            content = Content(file_key, size, normal, "{}")
            await rows.send(rows.pack(Message(file, content, layout, batch, data)))
    # What is sent behind them is loaded, so they were looked at.
    suite.ingest(write_readings(tmp_path / "r.csv", 10))
    url_waits = "SELECT count(*) FROM processor.closed_processes WHERE process_id = $1::uuid AND gone"
    assert await suite.fetch(url_waits, process) == [(1,)]
    async with sqs(suite) as queue:
        url = await rows_queue(queue)
        async with asyncio.timeout(60):
            while True:
                found = await queue.get_queue_attributes(
                    QueueUrl=url,
                    AttributeNames=[
                        "ApproximateNumberOfMessages",
                        "ApproximateNumberOfMessagesNotVisible",
                    ],
                )
                if all(count == "0" for count in found["Attributes"].values()):
                    break
                await asyncio.sleep(0.1)
    assert await names(suite, table) == loaded
    assert await left(suite, process) == NOTHING
    assert process not in suite.run("processes").stdout
    events = suite.json("events", process)["events"]
    assert [event["type"] for event in events] == ["process.deleted"]


async def test_an_expired_process_keeps_its_counts_only(suite: Suite, tmp_path: Path) -> None:
    source = write_readings(tmp_path / "r.csv", 100, bad_every=10)
    pipeline = write_pipeline(tmp_path, "expired_readings")
    process = suite.ingest(source, "--pipeline", str(pipeline), status=3)["process_id"]
    assert not suite.json("status", process, status=3)["expired"]
    files = await stored_files(suite, process)
    assert len(files) == 1
    await suite.fetch(
        "UPDATE status.processes SET ended_at = now() - interval '31 days' WHERE process_id = $1::uuid",
        process,
    )
    await until_left(suite, process, (0, 0, 0, 0, 0, 0, 1, 0, 1))
    assert not files[0].exists()
    found = suite.json("status", process, status=3)
    assert found["expired"] and found["counts"]["failed"] == 10
    assert suite.json("errors", process)["groups"][0]["count"] == 10
    for command in (("row", process, "10"), ("rows", process), ("report", process, "-o", "-")):
        assert "RECORDS_EXPIRED" in suite.run(*command, status=1).stderr
    assert "UNDO_IMPOSSIBLE" in suite.run("undo", process, status=1).stderr
    assert "counts remain" in suite.run("status", process, status=3).stdout


async def test_undo_of_an_append_and_of_json_rows(suite: Suite, tmp_path: Path) -> None:
    table = "undone_append"
    first = ingest(suite, tmp_path, table, "append", {1: "a", 2: "b"})
    second = ingest(suite, tmp_path, table, "append", {3: "c", 4: "d", 5: "e"})
    planned = {"process_id": second, "dry_run": True, "removed": 3, "restored": 0, "kept": 0}
    assert suite.json("undo", second, "--dry-run") == planned
    assert len(await names(suite, table)) == 5
    done = {**planned, "dry_run": False}
    assert suite.json("undo", second) == done
    assert suite.json("undo", second, "--yes") == done
    assert await names(suite, table) == {1: "a", 2: "b"}
    found = suite.json("status", second, status=1)
    assert (found["state"], found["undo"]["removed"], found["counts"]["succeeded"]) == ("UNDONE", 3, 3)
    assert suite.json("events", second)["events"][-1]["type"] == "ingestion.undone"
    assert "undone: 3 rows taken out" in suite.run("status", second, status=1).stdout
    assert suite.json("status", first)["state"] == "COMPLETED"

    rows = suite.ingest(write_readings(tmp_path / "r.csv", 20))["process_id"]
    assert suite.json("undo", rows)["removed"] == 20
    loaded = "SELECT count(*) FROM ingested_rows WHERE _process_id = $1::uuid"
    assert await suite.fetch(loaded, rows) == [(0,)]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_undo_of_a_chain_of_upserts(suite: Suite, tmp_path: Path, order: tuple[int, int]) -> None:
    table = f"undone_chain_{order[0]}"
    processes = [
        ingest(suite, tmp_path, table, "upsert", {1: "first", 2: "first"}),
        ingest(suite, tmp_path, table, "upsert", {1: "second", 3: "second"}),
        ingest(suite, tmp_path, table, "upsert", {1: "third", 3: "third", 4: "third"}),
    ]
    suite.json("undo", processes[order[0]])
    assert await names(suite, table) == (
        {1: "third", 2: "first", 3: "third", 4: "third"} if order[0] == 1
        else {1: "second", 2: "first", 3: "second"}
    )  # fmt: skip
    suite.json("undo", processes[order[1]])
    assert await names(suite, table) == {1: "first", 2: "first"}


async def test_what_cannot_be_undone_says_why(suite: Suite, client: AsyncClient, tmp_path: Path) -> None:
    document = readings_pipeline("undo_is_off", "upsert")
    document["sink"]["undo"] = False
    path = tmp_path / "off.pipeline.json"
    path.write_text(json.dumps(document), "utf-8")
    source = write_readings(tmp_path / "r.csv", 10)
    process = suite.ingest(source, "--pipeline", str(path))["process_id"]
    assert "sink.undo is false" in suite.run("undo", process, status=1).stderr
    assert suite.json("status", process)["state"] == "COMPLETED"
    unknown = "00000000-0000-7000-8000-000000000000"
    for command in ("undo", "delete"):
        assert "PROCESS_NOT_FOUND" in suite.run(command, unknown, status=1).stderr


async def test_a_repair_is_undone_with_what_it_repairs(suite: Suite, tmp_path: Path) -> None:
    table = "undone_repair"
    before = ingest(suite, tmp_path, table, "upsert", {1: "before", 2: "before"})
    source = tmp_path / "bad.csv"
    source.write_text(HEADER + "1,new,1\n2,new,bad\n3,new,bad\n", "utf-8")
    pipeline = write_pipeline(tmp_path, table, "upsert")
    process = suite.ingest(source, "--pipeline", str(pipeline), status=3)["process_id"]
    report = tmp_path / "report.csv"
    suite.run("report", process, "-o", str(report))
    report.write_text(report.read_text("utf-8").replace("bad", "7"), "utf-8")
    repair = suite.ingest(report, "--repair", process)["process_id"]
    assert await names(suite, table) == {1: "new", 2: "new", 3: "new"}
    assert "REPAIR" in suite.run("undo", repair, status=1).stderr
    done = suite.json("undo", process)
    assert (done["removed"], done["restored"], done["kept"]) == (1, 2, 0)
    assert await names(suite, table) == {1: "before", 2: "before"}
    for each in (process, repair):
        assert suite.json("status", each, status=1)["state"] == "UNDONE"
    assert suite.json("status", before)["state"] == "COMPLETED"
    assert suite.run("ingest", str(report), "--repair", process, status=1).stderr
    # The repair goes with it.
    suite.json("delete", process)
    for each in (process, repair):
        await until_left(suite, each, NOTHING)
        assert "PROCESS_DELETED" in suite.run("status", each, status=1).stderr
    left_over = "SELECT count(*) FROM processor.repaired_rows WHERE process_id = $1::uuid"
    assert await suite.fetch(left_over, process) == [(0,)]
