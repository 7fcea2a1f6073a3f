"""A file that has each key several times, far apart: whatever the order of batches the first row has it. What
another file has loaded before stays."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestor import AsyncClient
from tests.e2e.conftest import Suite, stopped
from tests.e2e.tables import write_pipeline, write_readings
from tests.e2e.test_crashes import dispatched, rows_queue, sqs, start, take

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

ROWS = 150_000  # six batches
TWICE = 200_000  # eight, of which the queue holds four while no processor works


def _key(number: int) -> int:
    """The last row has the key of the first one, the last but one that of the second, and so on."""
    return min(number, TWICE + 1 - number) * 7919 % 100_003


def _gap(number: int) -> str:
    """Every thousandth record has two lines."""
    return "\n" if number % 1000 == 0 else " "


def _first_row(message: Any) -> int:
    return int(message["MessageAttributes"]["first_row"]["StringValue"])


async def _send_twice(queue: SQSClient, url: str, message: Any) -> None:
    for _ in range(2):
        await queue.send_message(
            QueueUrl=url, MessageBody=message["Body"], MessageAttributes=message["MessageAttributes"]
        )


async def _displaced(pair: Suite, source: Path, pipeline: Path, table: str) -> tuple[str, int]:
    """Load a file and hold a batch until another has loaded a row with the key of its first row; the process
    and the number of that row. 0 if no batch can be held: what a processor has received when it is stopped it
    loads when it goes on."""
    async with AsyncClient(pair.gateway) as client, sqs(pair) as queue:
        with stopped(pair.pid("processor")), stopped(pair.pid("processor-2")):
            process = start(pair, source, pipeline)
            await dispatched(client, process)
            url = await rows_queue(queue)
            taken = sorted(await take(queue, url, 1), key=_first_row)
            held = taken[0] if _first_row(taken[0]) <= TWICE // 2 else None
            for message in reversed(taken):
                if message is not held:
                    await _send_twice(queue, url, message)
            for message in taken:
                await queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        if held is None:
            return process, 0
        later = TWICE + 1 - _first_row(held)
        async with asyncio.timeout(120):
            while not (await client.process(process)).counts.succeeded:  # the table is there then
                await asyncio.sleep(0.01)
            while not await pair.fetch(f"SELECT FROM {table} WHERE _row_number = $1", later):
                await asyncio.sleep(0.01)
        await _send_twice(queue, url, held)
    return process, later


@pytest.fixture
def pair(two: Suite) -> Suite:
    """A suite of two processors."""
    return two


async def test_the_first_row_of_each_key_is_loaded(pair: Suite, tmp_path: Path) -> None:
    keys = [_key(number) for number in range(1, TWICE + 1)]
    first = {key: number for number, key in enumerate(keys[: TWICE // 2], 1)}
    source = tmp_path / "keys.csv"
    with source.open("w", encoding="utf-8") as file:
        file.write("id,name,amount\n")
        file.writelines(
            f'{key},"row {number},{_gap(number)}of a file: {number * 2654435761 % 2**32:08x}",{number}.25\n'
            for number, key in enumerate(keys, 1)
        )
    before = tmp_path / "before.csv"
    before.write_text("id,name,amount\n200000,of another file,1\n", "utf-8")
    for attempt in range(5):
        table = f"first_rows_{attempt}"
        pipeline = write_pipeline(tmp_path, table)
        pair.run("ingest", str(before), "--pipeline", str(pipeline))  # a new pipeline needs a processor
        process, later = await _displaced(pair, source, pipeline, table)
        if later:
            break
        pair.run("watch", process, status=3)
    answer = pair.json("watch", process, status=3)
    assert answer["state"] == "COMPLETED_WITH_ERRORS"
    assert answer["counts"] == {
        "read": TWICE, "succeeded": TWICE // 2, "failed": TWICE // 2, "skipped": 0, "unprocessed": 0
    }  # fmt: skip
    found = await pair.fetch(f"SELECT id, _row_number FROM {table} WHERE _process_id::text = $1", process)
    assert dict(found) == first
    # The ledger names the others, each once and with its key.
    report = tmp_path / "report.jsonl"
    pair.run("report", process, "--format", "jsonl", "--output", str(report))
    failed = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    assert [row["row"] for row in failed] == list(range(TWICE // 2 + 1, TWICE + 1))
    assert all(
        [(e["code"], e["field"], e["value"]) for e in row["errors"]]
        == [("primary-key", "id", str(keys[row["row"] - 1]))]
        for row in failed
    )
    groups = pair.json("errors", process)["groups"]
    assert [(group["code"], group["count"]) for group in groups] == [("primary-key", TWICE // 2)]
    # It was put to the test: rows were displaced, before or after their batches were told.
    assert later
    displaced = [row for row in failed if not row["cells"]]
    assert later in {row["row"] for row in displaced}
    # Each has the line on which its record begins.
    assert [row["line"] for row in failed] == [row["row"] + 1 + (row["row"] - 1) // 1000 for row in failed]
    assert pair.json("row", process, str(displaced[0]["row"]))["state"] == "FAILED"


async def test_what_another_file_has_loaded_stays(pair: Suite, tmp_path: Path) -> None:
    """Also when that one was sent later: it is complete, and stays so."""
    pipeline = write_pipeline(tmp_path, "two_files")
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    write_readings(first, ROWS)
    every = ROWS // 1000
    rows = [f"{number},second,1\n" for number in range(every, ROWS + 1, every)]
    second.write_text("".join(["id,name,amount\n", *rows]), "utf-8")
    async with AsyncClient(pair.gateway) as client, sqs(pair) as queue:
        process = start(pair, first, pipeline)
        while not (await client.process(process)).raw.content_bytes:
            await asyncio.sleep(0.01)  # between two looks
        with stopped(pair.pid("processor")), stopped(pair.pid("processor-2")):
            await dispatched(client, process)
            url = await rows_queue(queue)
            taken = await take(queue, url, 4)
        before = pair.json("ingest", str(second), "--pipeline", "two-files", status=None)
        other = before["process_id"]
        for message in taken:
            await queue.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
    answer = pair.json("watch", process, status=3)
    loaded = before["counts"]["succeeded"]
    assert loaded > 0  # it was put to the test
    assert answer["state"] == "COMPLETED_WITH_ERRORS"
    assert (answer["counts"]["succeeded"], answer["counts"]["failed"]) == (ROWS - loaded, loaded)
    after = pair.json("status", other, status=None)
    assert (after["state"], after["counts"]) == (before["state"], before["counts"])
    found = await pair.fetch("SELECT _process_id::text, count(*) FROM two_files GROUP BY 1")
    assert dict(found) == {process: ROWS - loaded, other: loaded}
    groups = pair.json("errors", process)["groups"]
    assert [(group["code"], group["count"]) for group in groups] == [("primary-key", loaded)]
