"""The last release and this one beside each other, on one queue and one database that this one has migrated:
all rows of all files are loaded, each once, and none fails for it.

One suite runs all the time. A service becomes the other release as in an upgrade or a rollback: it is
stopped, and the other one starts in its place."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestor.local.folder import Folder
from ingestor.local.services import service_of
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.queues import QueueNames
from tests.architecture.releases import git, last_release
from tests.deploy.rolling import restart
from tests.deploy.test_restore import loaded
from tests.e2e.conftest import Suite, running, stopped
from tests.e2e.tables import write_pipeline, write_readings

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

ROWS, BAD_EVERY = 20_000, 1000
SLICE_BYTES = 200_000  # so that each file is several batches
SERVICES = ("status", "processor", "orchestrator", "upload")
OLD, NEW = "old", "new"
TOMORROW = "tomorrow"  # writes messages that only its like can read


@pytest.fixture(scope="session")
def old_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the last release, with its generated code."""
    tree = tmp_path_factory.mktemp("release")
    archive = tree / "tree.tar"
    git("archive", "-o", str(archive), last_release()[1])
    subprocess.run(["tar", "-xf", archive, "-C", tree], check=True)
    subprocess.run([sys.executable, "hatch_build.py"], cwd=tree, check=True, capture_output=True)
    return tree


@dataclass(frozen=True)
class Mixed:
    """A suite whose instances each run a release of their own."""

    suite: Suite
    plan: Path  # the release of each instance, by its address; read at its start
    notes: Path  # what runs in each process

    def runs(self, instance: str) -> str:
        """Which release an instance runs."""
        return (self.notes / str(self.suite.pid(instance))).read_text("utf-8")

    async def have(self, releases: Mapping[str, str]) -> None:
        """Let these instances run these releases, and the others this one. Those that run another one are
        restarted. Raises TimeoutError."""
        state = Folder(self.suite.data).state()
        assert state is not None
        wanted = {instance: releases.get(instance, NEW) for instance in state["services"]}
        plan = {state["services"][instance]["address"]: release for instance, release in wanted.items()}
        self.plan.write_text(json.dumps(plan), "utf-8")
        await restart(self.suite, [one for one, release in wanted.items() if self.runs(one) != release])
        assert {instance: self.runs(instance) for instance in wanted} == wanted

    async def have_old(self, services: str) -> None:
        """Let these services run the last release, in all their instances."""
        old = services.split(",")
        await self.have({one: OLD for one in ("processor-2", *SERVICES) if service_of(one) in old})


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, old_tree: Path) -> Iterator[Mixed]:
    """A suite of two processors; each test says which releases run."""
    folder = tmp_path_factory.mktemp("mixed")
    plan, notes = folder / "plan.json", folder / "notes"
    notes.mkdir()
    env = {
        "PYTHONPATH": str(Path(__file__).parent / "mixing"),
        "PYTHONSAFEPATH": "1",  # else the working folder comes first
        "MIXED_PLAN": str(plan),
        "MIXED_TREE": str(old_tree),
        "MIXED_NOTES": str(notes),
        "INGESTOR_SLICE_BYTES": str(SLICE_BYTES),
        "INGESTOR_PAGE_DIR": str(folder / "none"),
    }
    with running(folder / "suite", "--processors", "2", **env) as suite:
        yield Mixed(suite, plan, notes)


def write_json_lines(path: Path, rows: int) -> Path:
    """A file that is converted: its batches are in normal form."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, rows + 1):
            row = {"id": number, "name": f"{number * 2654435761 % 2**32:08x}", "amount": 1}
            file.write(json.dumps(row) + "\n")
    return path


async def check_plain(suite: Suite, folder: Path, table: str) -> str:
    """A file with failed rows; its process."""
    pipeline = write_pipeline(folder, table)
    source = write_readings(folder / "plain.csv", ROWS, bad_every=BAD_EVERY)
    done = suite.ingest(source, "--pipeline", str(pipeline), status=3)
    failed = ROWS // BAD_EVERY
    assert (done["counts"]["succeeded"], done["counts"]["failed"]) == (ROWS - failed, failed)
    assert await loaded(suite, table) == (ROWS - failed, ROWS - failed, 1)
    groups = suite.json("errors", done["process_id"])["groups"]
    assert {group["code"] for group in groups} == {"type-error"}
    return str(done["process_id"])


async def check_repair(suite: Suite, folder: Path, table: str, process: str) -> None:
    """A repair of all failed rows; it is converted, too."""
    report = folder / "report.csv"
    suite.run("report", process, "--rows", "failed", "--output", str(report))
    report.write_text(re.sub(r"n/a", "0", report.read_text("utf-8")), "utf-8")
    suite.ingest(report, "--repair", process)
    assert (await loaded(suite, table))[0] == ROWS


async def check_converted(suite: Suite, folder: Path, table: str) -> None:
    """A file that is converted, and its undo."""
    converted = write_json_lines(folder / "converted.jsonl", ROWS)
    done = suite.ingest(converted, "--pipeline", str(write_pipeline(folder, table)))
    assert done["counts"]["succeeded"] == ROWS
    assert await loaded(suite, table) == (ROWS, ROWS, 1)
    suite.run("undo", done["process_id"], "--yes")
    assert (await loaded(suite, table))[0] == 0


@pytest.mark.parametrize("old", [*SERVICES, "processor,orchestrator", ",".join(SERVICES)])
async def test_services_of_two_releases(mixed: Mixed, tmp_path: Path, old: str) -> None:
    """One after the other, as in an upgrade and a rollback; at last all old ones on the newer schema."""
    await mixed.have_old(old)
    name = old.replace(",", "_")
    suite, plain, converted = mixed.suite, f"plain_{name}", f"converted_{name}"
    process = await check_plain(suite, tmp_path, plain)
    await check_repair(suite, tmp_path, plain, process)
    await check_converted(suite, tmp_path, converted)


async def handed_back(suite: Suite, process: str) -> int:
    """How many messages of a process an older processor has left for a newer one."""
    query = "SELECT count(*) FROM processor.handed_back WHERE process_id = $1"
    ((count,),) = await suite.fetch(query, process)
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


async def test_messages_that_only_one_of_two_processors_can_read(mixed: Mixed, tmp_path: Path) -> None:
    suite, rows = mixed.suite, 4 * ROWS
    source, pipeline = write_json_lines(tmp_path / "newer.jsonl", rows), write_pipeline(tmp_path, "newer")
    await mixed.have({"processor": OLD, "processor-2": TOMORROW, "orchestrator": TOMORROW})
    with stopped(suite.pid("processor-2")):
        process = begin(suite, source, pipeline)
        await until(lambda: handed_back(suite, process))
    await check_loaded(suite, process, "newer", rows)
    await restart(suite, ["processor"])  # else it rests for a while, since it has handed something back
    with stopped(suite.pid("processor-2")):
        await check_plain(suite, tmp_path, "readable")  # what the older one can read, it loads


async def test_messages_that_nobody_can_read_until_the_newer_release_is_there(
    mixed: Mixed, tmp_path: Path
) -> None:
    """The queue gives them up, since they are handed back too often. No row fails for that."""
    suite, table = mixed.suite, "newest"
    rows_of_one_batch = 500  # a second one may go to the processor while it is stopped, and nobody notes that
    source = write_json_lines(tmp_path / "newest.jsonl", rows_of_one_batch)
    pipeline = write_pipeline(tmp_path, table)
    await mixed.have({"processor": OLD, "processor-2": OLD, "orchestrator": TOMORROW})
    async with queues(suite) as (client, rows, dead):
        process = begin(suite, source, pipeline)
        await until(lambda: handed_back(suite, process))
        await limit_receives(client, rows, 1)
        await restart(suite, ["processor"])  # which asks the queue again at once
        await until(lambda: depth(client, dead))
        await limit_receives(client, rows, 5)  # else what is in work at the stop is given up, too
        assert suite.json("status", process)["state"] == "PROCESSING"
        await mixed.have({"processor": TOMORROW, "processor-2": TOMORROW, "orchestrator": TOMORROW})
        await check_loaded(suite, process, table, rows_of_one_batch)
        logs = [suite.data / "logs" / f"{one}.log" for one in ("processor", "processor-2")]

        async def dropped() -> bool:
            return "an older release could not read it" in "".join(log.read_text("utf-8") for log in logs)

        await until(dropped)  # an older processor may have left the dead letter a moment ago
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


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 180) -> None:
    """Wait until a condition is true, looked at again and again. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.2)  # between two looks, not instead of one
