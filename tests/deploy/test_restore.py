"""The database is restored to an earlier time, queue and files are later: docs/operations/backup.md."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestor.local.aws.ministack import MiniStack
from ingestor.local.postgres import binaries
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.queues import QueueNames
from ingestor.runtime.settings import QueueSettings
from tests.e2e.conftest import Suite, running, stopped, wait_until
from tests.e2e.tables import write_pipeline, write_readings

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

BEFORE, DURING, AFTER = 5_000, 20_000, 10_000  # rows of the files
SLICE_BYTES = "250000"  # so that the last two are several batches


def back_up(suite: Suite, folder: Path) -> None:
    """A base backup of the running PostgreSQL, as for a restore to this point in time."""
    subprocess.run(
        [binaries() / "pg_basebackup", "-d", suite.dsn, "-D", folder, "-X", "stream", "-c", "fast"],
        check=True,
    )


def restore(data: Path, folder: Path) -> None:
    """Put the backup in the place of the database of a suite that does not run."""
    database = data / "postgres"
    owner = database.stat()
    shutil.rmtree(database)
    shutil.copytree(folder, database)
    for path in (database, *database.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    database.chmod(0o700)


async def loaded(suite: Suite, table: str) -> tuple[int, int, int]:
    """Rows of a table, its distinct rows by lineage, and its processes."""
    query = (
        "SELECT count(*), count(DISTINCT (_process_id, _row_number)), count(DISTINCT _process_id) "
        f"FROM {table}"
    )
    (found,) = await suite.fetch(query)
    return (found[0], found[1], found[2])


async def messages(client: SQSClient, url: str) -> list[Any]:
    """Every message of a queue, which stays there."""
    found: list[Any] = []
    while some := (
        await client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=300
        )
    ).get("Messages", []):
        found += some
    for each in found:  # at once for others again
        await client.change_message_visibility(
            QueueUrl=url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0
        )
    return found


async def test_restored_to_an_earlier_time_with_a_later_queue(tmp_path: Path) -> None:
    data, saved = tmp_path / "suite", tmp_path / "saved"
    sources = {
        name: (write_readings(tmp_path / f"{name}.csv", rows), write_pipeline(tmp_path, name))
        for name, rows in (("before", BEFORE), ("during", DURING), ("after", AFTER))
    }
    names = QueueNames()

    def begin(suite: Suite, name: str) -> str:
        source, pipeline = sources[name]
        return str(suite.json("ingest", str(source), "--pipeline", str(pipeline), "--no-wait")["process_id"])

    with running(data, INGESTOR_SLICE_BYTES=SLICE_BYTES) as suite:
        source, pipeline = sources["before"]
        suite.ingest(source, "--pipeline", str(pipeline))
        for name in ("during", "after"):
            suite.run("pipelines", "apply", str(sources[name][1]))
        async with open_sqs(suite.use_queue()) as client:
            url = (await client.get_queue_url(QueueName=names.rows_queue))["QueueUrl"]
            with stopped(suite.pid("processor")):
                during = begin(suite, "during")
                wait_until(
                    lambda: suite.json("status", during, status=None)["batches_dispatched"], "the first batch"
                )
                back_up(suite, saved)
                after = begin(suite, "after")
                wait_until(
                    lambda: suite.json("status", after, status=None)["state"] == "PROCESSING", "its messages"
                )
                late = await messages(client, url)
            assert len(late) >= 2
        for process, rows in ((during, DURING), (after, AFTER)):
            assert suite.json("watch", process)["counts"]["succeeded"] == rows

    # The database is lost, and restored as it was while `during` ran. Queue and files are as they were last:
    # the messages of both processes are still there, until they are purged as the guide says.
    restore(data, saved)
    queue = MiniStack(data / "ministack")
    queue.start()
    queue.wait()
    try:
        async with open_sqs(QueueSettings(aws_endpoint_url=queue.endpoint)) as client:
            url = (await client.get_queue_url(QueueName=names.rows_queue))["QueueUrl"]
            for message in late:
                await client.send_message(
                    QueueUrl=url, MessageBody=message["Body"], MessageAttributes=message["MessageAttributes"]
                )
            await client.purge_queue(QueueUrl=url)
    finally:
        queue.stop()
    with running(data, INGESTOR_REDISPATCH_SECONDS="3", INGESTOR_SLICE_BYTES=SLICE_BYTES) as suite:
        assert suite.json("watch", during)["counts"]["succeeded"] == DURING
        assert await loaded(suite, "before") == (BEFORE, BEFORE, 1)
        assert await loaded(suite, "during") == (DURING, DURING, 1)
        # What came after the restored time has to be sent again.
        assert "PROCESS_NOT_FOUND" in suite.run("status", after, status=1).stderr
        assert await suite.fetch("SELECT to_regclass('after') IS NULL") == [(True,)]
        source, pipeline = sources["after"]
        suite.ingest(source, "--pipeline", str(pipeline))
        assert await loaded(suite, "after") == (AFTER, AFTER, 1)
