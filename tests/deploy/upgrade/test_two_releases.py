"""The last release and this one beside each other, on one queue and one database that this one has migrated:
all rows of all files are loaded, each once, and none fails for it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.queues import QueueNames
from tests.deploy.test_restore import loaded
from tests.e2e.conftest import Suite, running, stopped
from tests.e2e.tables import write_pipeline, write_readings

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

ROOT = Path(__file__).parents[3]
ROWS, BAD_EVERY = 60_000, 1000
SERVICES = ("status", "processor", "orchestrator", "upload")


@pytest.fixture(scope="session")
def last_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the newest tag, with its generated code."""
    described = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if described.returncode != 0:
        pytest.skip("no tag of a release in this clone")
    tree = tmp_path_factory.mktemp("release")
    archive = tree / "tree.tar"
    subprocess.run(["git", "archive", "-o", archive, described.stdout.strip()], cwd=ROOT, check=True)
    subprocess.run(["tar", "-xf", archive, "-C", tree], check=True)
    subprocess.run([sys.executable, "hatch_build.py"], cwd=tree, check=True, capture_output=True)
    return tree


@contextmanager
def mixed(tmp_path: Path, tree: Path, old: str, *options: str, **env: str) -> Iterator[Suite]:
    """A suite in which the services `old` run the older release."""
    notes = tmp_path / "notes"
    notes.mkdir(exist_ok=True)
    mixing = {
        "PYTHONPATH": str(Path(__file__).parent / "mixing"),
        "PYTHONSAFEPATH": "1",  # else the working folder comes first
        "MIXED_TREE": str(tree),
        "MIXED_OLD": old,
        "MIXED_NOTES": str(notes),
    }
    with running(tmp_path / "suite", *options, **mixing, **env) as suite:
        yield suite


def runs(suite: Suite, instance: str) -> str:
    """Which release a service runs: "old" or "new"."""
    note = suite.data.parent / "notes" / str(suite.pid(instance))
    return "new" if Path(note.read_text()).is_relative_to(ROOT) else "old"


def write_json_lines(path: Path, rows: int) -> Path:
    """A file that is converted: its batches are in normal form."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, rows + 1):
            row = {"id": number, "name": f"{number * 2654435761 % 2**32:08x}", "amount": 1}
            file.write(json.dumps(row) + "\n")
    return path


async def check_files(suite: Suite, folder: Path) -> None:
    """Files of different kinds, a repair and an undo."""
    pipeline = write_pipeline(folder, "plain")
    source = write_readings(folder / "plain.csv", ROWS, bad_every=BAD_EVERY)
    done = suite.ingest(source, "--pipeline", str(pipeline), status=3)
    failed = ROWS // BAD_EVERY
    assert (done["counts"]["succeeded"], done["counts"]["failed"]) == (ROWS - failed, failed)
    assert await loaded(suite, "plain") == (ROWS - failed, ROWS - failed, 1)
    groups = suite.json("errors", done["process_id"])["groups"]
    assert {group["code"] for group in groups} == {"type-error"}
    report = folder / "report.csv"
    suite.run("report", done["process_id"], "--rows", "failed", "--output", str(report))
    report.write_text(re.sub(r"n/a", "0", report.read_text("utf-8")), "utf-8")
    suite.ingest(report, "--repair", done["process_id"])
    assert (await loaded(suite, "plain"))[0] == ROWS

    converted = write_json_lines(folder / "converted.jsonl", ROWS)
    done = suite.ingest(converted, "--pipeline", str(write_pipeline(folder, "converted")))
    assert done["counts"]["succeeded"] == ROWS
    assert await loaded(suite, "converted") == (ROWS, ROWS, 1)
    suite.run("undo", done["process_id"], "--yes")
    assert (await loaded(suite, "converted"))[0] == 0


@pytest.mark.parametrize("old", [*SERVICES, "processor,orchestrator", ",".join(SERVICES)])
async def test_services_of_two_releases(tmp_path: Path, last_release: Path, old: str) -> None:
    """One after the other, as in an upgrade and a rollback; at last all old ones on the newer schema."""
    with mixed(tmp_path, last_release, old) as suite:
        assert {service for service in SERVICES if runs(suite, service) == "old"} == set(old.split(","))
        await check_files(suite, tmp_path)


async def handed_back(suite: Suite) -> int:
    """How many messages an older processor has left for a newer one."""
    ((count,),) = await suite.fetch("SELECT count(*) FROM processor.handed_back")
    return int(count)


def begin(suite: Suite, source: Path, pipeline: Path) -> str:
    """Send a file; returns its process."""
    done = suite.json("ingest", str(source), "--pipeline", str(pipeline), "--no-wait")
    return str(done["process_id"])


async def check_loaded(suite: Suite, process: str, table: str, rows: int) -> None:
    """Wait for the end: every row is in the table once."""
    done = suite.json("watch", process)
    assert (done["state"], done["counts"]["succeeded"]) == ("COMPLETED", rows)
    assert await loaded(suite, table) == (rows, rows, 1)


async def test_messages_that_only_one_of_two_processors_can_read(tmp_path: Path, last_release: Path) -> None:
    rows = 4 * ROWS
    source, pipeline = write_json_lines(tmp_path / "newer.jsonl", rows), write_pipeline(tmp_path, "newer")
    with mixed(tmp_path, last_release, "processor:1", "--processors", "2", MIXED_NEWER="1") as suite:
        (newer,) = (one for one in ("processor", "processor-2") if runs(suite, one) == "new")
        with stopped(suite.pid(newer)):
            process = begin(suite, source, pipeline)
            await until(lambda: handed_back(suite))
        await check_loaded(suite, process, "newer", rows)
        await check_files(suite, tmp_path)  # what the older one can read, it loads


async def test_messages_that_nobody_can_read_until_the_newer_release_is_there(
    tmp_path: Path, last_release: Path
) -> None:
    """The queue gives them up, since they are handed back too often. No row fails for that."""
    source, pipeline = write_json_lines(tmp_path / "newer.jsonl", ROWS), write_pipeline(tmp_path, "newer")
    with mixed(tmp_path, last_release, "processor", MIXED_NEWER="1") as suite:
        async with queues(suite) as (client, rows, dead):
            await limit_receives(client, rows, 1)
            process = begin(suite, source, pipeline)
            await until(lambda: depth(client, dead))
            assert await handed_back(suite)
            await limit_receives(client, rows, 5)  # else what is in work at the stop is given up, too
        assert suite.json("status", process)["state"] == "PROCESSING"
    with mixed(tmp_path, last_release, "", MIXED_NEWER="1") as suite:
        await check_loaded(suite, process, "newer", ROWS)
        log = (suite.data / "logs" / "processor.log").read_text("utf-8")
        assert "an older release could not read it" in log
        async with queues(suite) as (client, rows, dead):
            await until(lambda: is_empty(client, rows, dead))


@asynccontextmanager
async def queues(suite: Suite) -> AsyncIterator[tuple[SQSClient, str, str]]:
    """A client, and the URLs of the rows queue and its dead-letter queue."""
    names = QueueNames()
    async with open_sqs(suite.use_queue()) as client:
        rows = (await client.get_queue_url(QueueName=names.rows_queue))["QueueUrl"]
        dead = (await client.get_queue_url(QueueName=names.rows_dead_letter_queue))["QueueUrl"]
        yield client, rows, dead


async def limit_receives(client: SQSClient, url: str, most: int) -> None:
    """Give a message up that was received so often."""
    found = await client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    policy = {**json.loads(found["Attributes"]["RedrivePolicy"]), "maxReceiveCount": most}
    await client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})


async def depth(client: SQSClient, url: str) -> int:
    """Messages of a queue, those in flight too."""
    found = (await client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))["Attributes"]
    in_flight = found["ApproximateNumberOfMessagesNotVisible"]
    return int(found["ApproximateNumberOfMessages"]) + int(in_flight)


async def is_empty(client: SQSClient, *urls: str) -> bool:
    """Whether the queues have no message."""
    return sum([await depth(client, url) for url in urls]) == 0


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 90) -> None:
    """Wait until a condition is true, looked at again and again. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.2)  # between two looks, not instead of one
