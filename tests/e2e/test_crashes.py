"""Crashes, doubled and reordered deliveries, poison: nothing is lost and nothing is loaded twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from ingestor import AsyncClient
from ingestor.access.keyring import SIGNATURE, KeyRing, sign_message
from ingestor.local.folder import Folder
from ingestor.runtime.aws.clients import open_sqs
from tests.e2e.conftest import Suite, stopped, wait_until
from tests.e2e.tables import write_pipeline, write_readings

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

ROWS = 400_000  # some 22 MB: about nine batches


@asynccontextmanager
async def sqs(suite: Suite) -> AsyncIterator[SQSClient]:
    """The suite's SQS."""
    async with open_sqs(suite.use_queue()) as client:
        yield client


def start(suite: Suite, source: Path, pipeline: Path | None = None) -> str:
    """Begin an ingestion without waiting for it. Without a pipeline it needs no processor to begin."""
    options = ["--pipeline", str(pipeline)] if pipeline else []
    return str(suite.json("ingest", str(source), *options, "--no-wait")["process_id"])


async def check_exactly_once(suite: Suite, process: str, rows: int, table: str = "ingested_rows") -> None:
    """Every row of the file is in the ledger and in the table, once."""
    answer = suite.json("watch", process)
    assert answer["counts"] == {
        "read": rows, "succeeded": rows, "failed": 0, "skipped": 0, "unprocessed": 0
    }  # fmt: skip
    found = await suite.fetch(
        f"SELECT count(*), count(DISTINCT _row_number), min(_row_number), max(_row_number) FROM {table} "
        "WHERE _process_id = $1::uuid",
        process,
    )
    assert found == [(rows, rows, 1, rows)]


def batches_processed(suite: Suite, process: str) -> int:
    """Batches with an outcome."""
    return int(suite.json("status", process, status=None)["batches_processed"])


@pytest.mark.parametrize("service", ["processor", "orchestrator", "status", "upload"])
async def test_a_service_killed_in_mid_run(suite: Suite, tmp_path: Path, service: str) -> None:
    table = f"killed_{service}"
    source = write_readings(tmp_path / "r.csv", ROWS)
    process = start(suite, source, write_pipeline(tmp_path, table))
    if service != "upload":  # its part may be over before the first batch is loaded
        wait_until(lambda: batches_processed(suite, process) >= 1, "a processed batch")
    pid = suite.pid(service)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: suite.pid(service) != pid, f"a new {service}")
    await check_exactly_once(suite, process, ROWS, table)


@pytest.mark.parametrize("server", ["envoy", "ministack", "postgres"])
async def test_a_server_killed_in_mid_run(suite: Suite, tmp_path: Path, server: str) -> None:
    """It is started again, and everything goes on: what is running, and what comes."""
    table = f"killed_{server}"
    source = write_readings(tmp_path / "r.csv", ROWS)
    process = start(suite, source, write_pipeline(tmp_path, table))
    wait_until(lambda: batches_processed(suite, process) >= 1, "a processed batch")
    pid = suite.pid(server)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: suite.pid(server) != pid, f"a new {server}")
    if server == "envoy":  # clients have to come again
        wait_until(lambda: suite.run("status", process, status=None).returncode == 0, "the gateway")
    await check_exactly_once(suite, process, ROWS, table)
    said = (suite.data / "logs" / "suite.log").read_text("utf-8")
    assert f"{server} ended with status -9, restarting" in said
    assert suite.json("env")["processes"][server]["restarts"] == 1


async def rows_queue(client: SQSClient) -> str:
    """URL of the rows queue."""
    return (await client.get_queue_url(QueueName="ingestor-rows"))["QueueUrl"]


@asynccontextmanager
async def dead_after(client: SQSClient, receives: int) -> AsyncIterator[None]:
    """While the context lasts a message is dead after so many tries, before its batch is sent again."""
    url = await rows_queue(client)
    answer = await client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    usual = answer["Attributes"]["RedrivePolicy"]
    short = json.dumps({**json.loads(usual), "maxReceiveCount": str(receives)})
    await client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": short})
    try:
        yield
    finally:
        await client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": usual})


async def take(client: SQSClient, url: str, batches: int) -> list[Any]:
    """Receive messages until the queue gives no more; asserts that there were at least `batches`."""
    taken: list[Any] = []
    for _ in range(100):
        answer = await client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            VisibilityTimeout=120,
            MessageAttributeNames=["All"],
        )
        found = answer.get("Messages", [])
        if not found and len(taken) >= batches:
            break
        taken += found
    assert len(taken) >= batches
    return taken


async def dispatched(client: AsyncClient, process: str) -> int:
    """Wait until as much of the file is in the queue as may wait there while no processor works; its number
    of batches."""
    for _ in range(600):
        found = (await client.process(process)).raw
        if found.batches_dispatched >= 4:
            return found.batches_dispatched
        await asyncio.sleep(0.05)  # between two looks
    raise AssertionError("the file was not dispatched")


async def test_doubled_and_reordered_deliveries(suite: Suite, client: AsyncClient, tmp_path: Path) -> None:
    source = write_readings(tmp_path / "r.csv", ROWS)
    with stopped(suite.pid("processor")):
        process = start(suite, source)
        batches = await dispatched(client, process)
        async with sqs(suite) as queue:
            url = await rows_queue(queue)
            # The held processor's long poll may already have some of them.
            taken = await take(queue, url, batches - 3)
            for message in list(reversed(taken)) + taken:  # each twice, the last one first
                await queue.send_message(
                    QueueUrl=url,
                    MessageBody=message["Body"],
                    MessageAttributes=message["MessageAttributes"],
                )
            for message in taken:
                await queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    await check_exactly_once(suite, process, ROWS)


async def test_a_queue_that_loses_everything(suite: Suite, client: AsyncClient, tmp_path: Path) -> None:
    """What is missing is dispatched again from the stored file."""
    source = write_readings(tmp_path / "r.csv", ROWS)
    with stopped(suite.pid("processor")):
        process = start(suite, source)
        batches = await dispatched(client, process)
        async with sqs(suite) as queue:
            url = await rows_queue(queue)
            for message in await take(queue, url, batches - 3):
                await queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    await check_exactly_once(suite, process, ROWS)


async def test_poison_ends_in_the_dead_letter_queue(
    suite: Suite, client: AsyncClient, tmp_path: Path
) -> None:
    """One batch's body is destroyed: its rows fail with a reason, all others are loaded."""
    source = write_readings(tmp_path / "r.csv", ROWS)
    keys = KeyRing.parse(f"local:{Folder(Path(suite.facts['data'])).password('internal')}")
    async with sqs(suite) as queue, dead_after(queue, 2):
        with stopped(suite.pid("processor")):
            process = start(suite, source)
            batches = await dispatched(client, process)
            url = await rows_queue(queue)
            taken = await take(queue, url, batches - 3)
            for number, message in enumerate(taken):
                body, attributes = message["Body"], message["MessageAttributes"]
                if number == 0:
                    body = "this is no batch"
                    texts = {name: value["StringValue"] for name, value in attributes.items()}
                    del texts[SIGNATURE]
                    signature = sign_message(keys, body, texts)
                    attributes[SIGNATURE] = {"DataType": "String", "StringValue": signature}
                await queue.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
                await queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        answer = suite.json("watch", process, status=3)
    lost = int(taken[0]["MessageAttributes"]["row_count"]["StringValue"])
    first = int(taken[0]["MessageAttributes"]["first_row"]["StringValue"])
    assert answer["state"] == "COMPLETED_WITH_ERRORS"
    assert (answer["counts"]["succeeded"], answer["counts"]["failed"]) == (ROWS - lost, lost)
    row = suite.json("row", process, str(first))
    assert (row["state"], row["errors"][0]["code"]) == ("FAILED", "batch-error")
    loaded = "SELECT count(*) FROM ingested_rows WHERE _process_id = $1::uuid"
    assert await suite.fetch(loaded, process) == [(ROWS - lost,)]


async def test_a_batch_whose_processors_were_killed_is_loaded(
    suite: Suite, client: AsyncClient, tmp_path: Path
) -> None:
    """Received too often, as when its processors are killed again and again, it is dead; no row fails."""
    source = write_readings(tmp_path / "r.csv", ROWS)
    async with sqs(suite) as queue, dead_after(queue, 2):
        with stopped(suite.pid("processor")):
            process = start(suite, source)
            batches = await dispatched(client, process)
            url = await rows_queue(queue)
            for message in await take(queue, url, batches - 3):
                await queue.change_message_visibility(
                    QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )
            while "Messages" in await queue.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0
            ):
                pass
        await check_exactly_once(suite, process, ROWS)
    metrics = await asyncio.to_thread(read, suite.facts["services"]["processor"]["metrics"])
    (line,) = [line for line in metrics.splitlines() if 'letters_total{kind="recovered"}' in line]
    assert float(line.rpartition(" ")[2]) > 0


def read(url: str) -> str:
    """The text at an address."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        return str(answer.read(), "utf-8")


async def test_a_forged_message_is_dropped(suite: Suite, client: AsyncClient, tmp_path: Path) -> None:
    """It never fails a row: its batch is dispatched again."""
    source = write_readings(tmp_path / "r.csv", ROWS)
    async with sqs(suite) as queue:
        with stopped(suite.pid("processor")):
            process = start(suite, source)
            batches = await dispatched(client, process)
            url = await rows_queue(queue)
            for message in await take(queue, url, batches - 3):
                tenant: Any = {"DataType": "String", "StringValue": "acme"}
                await queue.send_message(
                    QueueUrl=url,
                    MessageBody=message["Body"],
                    MessageAttributes={**message["MessageAttributes"], "tenant": tenant},
                )
                await queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    await check_exactly_once(suite, process, ROWS)
    metrics = await asyncio.to_thread(read, suite.facts["services"]["processor"]["metrics"])
    assert 'ingestor_messages_refused_total{reason="signature"}' in metrics


async def test_a_garbled_message_disturbs_nobody(suite: Suite, tmp_path: Path) -> None:
    async with sqs(suite) as queue:
        await queue.send_message(QueueUrl=await rows_queue(queue), MessageBody="who sent this?")
    answer = suite.ingest(write_readings(tmp_path / "r.csv", 100))
    assert answer["counts"]["succeeded"] == 100


async def test_pause_resume_cancel(suite: Suite, tmp_path: Path) -> None:
    source = write_readings(tmp_path / "r.csv", ROWS)
    with stopped(suite.pid("processor")):
        process = start(suite, source)
        wait_until(lambda: suite.json("status", process)["state"] != "PENDING", "the header")
        assert suite.json("pause", process)["state"] == "PAUSED"
        assert suite.json("resume", process)["state"] in {"DISPATCHING", "PROCESSING"}
        assert suite.json("cancel", process)["state"] == "CANCELLED"
    answer = suite.json("watch", process, status=1)
    assert answer["state"] == "CANCELLED"
    counts = answer["counts"]
    assert counts["read"] == sum(counts[key] for key in ("succeeded", "failed", "skipped", "unprocessed"))
    done = suite.run("resume", process, status=1)
    assert "ILLEGAL_TRANSITION" in done.stderr


async def test_a_locked_table_holds_up_nobody_else(suite: Suite, tmp_path: Path) -> None:
    """Its process waits, says why, and goes on by itself."""
    source = write_readings(tmp_path / "r.csv", ROWS)
    pipeline = write_pipeline(tmp_path, "held", "upsert")
    suite.ingest(write_readings(tmp_path / "few.csv", 100), "--pipeline", str(pipeline))
    other = await asyncpg.connect(suite.dsn)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
            process = start(suite, source, pipeline)
            wait_until(lambda: suite.json("status", process)["state"] == "PAUSED", "the pause")
            shown = suite.run("status", process).stdout
            assert "The table public.held is locked by another session of PostgreSQL." in shown
            assert "ingestor resume" not in shown
            answer = suite.ingest(write_readings(tmp_path / "free.csv", 100))
            assert answer["counts"]["succeeded"] == 100
            assert suite.json("status", process)["counts"]["succeeded"] == 0
    finally:
        await other.close()
    assert suite.json("watch", process)["counts"]["succeeded"] == ROWS


async def test_a_table_that_takes_no_rows_any_more(two: Suite, tmp_path: Path) -> None:
    """Its process pauses and says why; when it goes on, no row is missing, and none has failed."""
    table, rows = "revoked_readings", 200_000  # some nine batches, of which four are in work at once
    owner = await asyncpg.connect(two.dsn)
    try:
        await owner.execute(
            f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text, amount numeric, _row_number bigint, "
            f"_process_id uuid); GRANT SELECT, INSERT, UPDATE ON {table} TO ingestor_processor; "
            "CREATE FUNCTION let_first_in() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF EXISTS (SELECT FROM {table}) THEN PERFORM pg_advisory_xact_lock_shared(77); END IF; "
            "RETURN null; END $$; "
            f"CREATE TRIGGER waits BEFORE INSERT ON {table} EXECUTE FUNCTION let_first_in()"
        )
        await owner.execute("SELECT pg_advisory_lock(77)")
        source = write_readings(tmp_path / "r.csv", rows)
        process = start(two, source, write_pipeline(tmp_path, table))
        wait_until(lambda: two.json("status", process)["counts"]["succeeded"], "the first batch")
        await owner.execute(f"REVOKE INSERT ON {table} FROM ingestor_processor")
        await owner.execute("SELECT pg_advisory_unlock(77)")
        reason = (
            f"The suite's role ingestor_processor lacks the right INSERT on the table public.{table}: "
            f"GRANT INSERT ON public.{table} TO ingestor_processor."
        )
        wait_until(lambda: two.json("status", process)["pause_reason"] == reason, "the pause")
        shown = two.run("status", process).stdout
        assert f"PAUSED\n  {reason}\n  Then go on: ingestor resume {process}\n" in shown
        await owner.execute(f"GRANT INSERT ON {table} TO ingestor_processor")
        two.run("resume", process)
        assert two.json("status", process)["pause_reason"] == ""
        await check_exactly_once(two, process, rows, table)
        paused = [
            event for event in two.json("events", process)["events"] if event["type"] == "ingestion.paused"
        ]
        assert [event["data"] for event in paused] == [{"reason": reason}]
    finally:
        await owner.close()
