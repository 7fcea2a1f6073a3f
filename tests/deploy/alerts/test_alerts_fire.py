"""Alerts fire on a running suite when something is wrong, and resolve when it is well again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from ingestor import AsyncClient
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.queues import QueueNames
from tests.deploy.alerts.monitoring import Monitoring, monitoring
from tests.e2e.conftest import Suite, running, stopped, wait_until
from tests.e2e.tables import write_readings

PROCESSOR_STOPPED = (
    ("IngestorBatchesOld", ""),
    ("IngestorDeadLetters", ""),
    ("IngestorNoProgress", ""),
    ("IngestorTargetDown", "processor"),
)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with running(tmp_path_factory.mktemp("suite")) as started:
        yield started


@pytest.fixture(scope="module")
def watch(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    with monitoring(suite.facts, tmp_path_factory.mktemp("monitoring")) as found:
        wait_until(lambda: len(found.query('up{job="ingestor"} == 1')) == 5, "every target")
        yield found


@pytest.fixture
async def client(suite: Suite) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(suite.gateway, patience=300) as opened:
        yield opened


def test_nothing_fires_while_all_is_well(suite: Suite, watch: Monitoring, tmp_path: Path) -> None:
    suite.ingest(write_readings(tmp_path / "good.csv", 10_000))
    watch.wait(*watch.firing(), fire=False)
    known = {(rule["metric"]["alertname"], rule["metric"]["alertstate"]) for rule in watch.query("ALERTS")}
    assert not {name for name, state in known if state == "firing"}


async def test_a_processor_that_hangs(suite: Suite, watch: Monitoring, tmp_path: Path) -> None:
    async with open_sqs(suite.use_queue()) as sqs:
        dead = (await sqs.get_queue_url(QueueName=QueueNames().rows_dead_letter_queue))["QueueUrl"]
        with stopped(suite.pid("processor")):
            source = write_readings(tmp_path / "r.csv", 50_000)
            process = suite.json("ingest", str(source), "--no-wait")["process_id"]
            await sqs.send_message(QueueUrl=dead, MessageBody="a batch that was given up")
            await asyncio.to_thread(watch.wait, *PROCESSOR_STOPPED)
    suite.run("watch", process)
    await asyncio.to_thread(watch.wait, *PROCESSOR_STOPPED, fire=False)


def test_a_file_that_does_not_fit(suite: Suite, watch: Monitoring, tmp_path: Path) -> None:
    pipeline = tmp_path / "numbers.json"
    types = {"id": "integer", "name": "string", "amount": "number"}
    fields = [{"name": name, "type": type_} for name, type_ in types.items()]
    document = {"name": "numbers", "schema": {"fields": fields}, "sink": {"table": "numbers"}}
    pipeline.write_text(json.dumps(document))
    # So many that they are a large share also beside what the tests before have just loaded.
    bad = write_readings(tmp_path / "bad.csv", 200_000, bad_every=2)
    suite.ingest(bad, "--pipeline", str(pipeline), status=3)
    watch.wait(("IngestorRowsFailing", ""))
    watch.wait(("IngestorRowsFailing", ""), fire=False)


async def test_an_orchestrator_that_hangs(
    suite: Suite, watch: Monitoring, client: AsyncClient, tmp_path: Path
) -> None:
    alerts = (("IngestorDeliveriesOld", ""), ("IngestorTargetDown", "orchestrator"))
    with stopped(suite.pid("orchestrator")):
        process = await client.ingest(write_readings(tmp_path / "r.csv", 1000))
        assert process.state == "PENDING"
        await asyncio.to_thread(watch.wait, *alerts)
    await process.wait()
    await asyncio.to_thread(watch.wait, *alerts, fire=False)


async def test_a_lock_that_nobody_releases(suite: Suite, watch: Monitoring, client: AsyncClient) -> None:
    waiting = (("IngestorPoolWaiting", "status"),)
    blocker = await asyncpg.connect(suite.dsn)
    try:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE status.processes IN ACCESS EXCLUSIVE MODE")
            calls = [
                asyncio.create_task(client.process("01a22853-7aca-72b5-b107-094ff437f6a1")) for _ in range(20)
            ]
            await asyncio.to_thread(watch.wait, *waiting)
    finally:
        await blocker.close()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await asyncio.to_thread(watch.wait, *waiting, fire=False)
