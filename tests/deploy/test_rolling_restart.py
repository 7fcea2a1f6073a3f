"""Every instance of every service is restarted in turn while the suite is used: of 10,000 calls none fails,
and the large files that are ingested meanwhile have their right counts."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ingestor import AsyncClient
from ingestor.client import ProcessState
from tests.deploy.rolling import ROUNDS, calling, restart
from tests.e2e.conftest import running

CALLS = 10_000
GOOD, BAD = 1_000_000, 1_000
KINDS = {
    "GetProcess", "ListProcesses", "ListRows", "GetPipeline", "ApplyPipeline", "GetQueues", "GetStorage",
    "CreateUpload", "WriteChunk", "CompleteUpload", "WatchProcess", "DownloadReport",
}  # fmt: skip


def write_large(path: Path) -> Path:
    """A file of about 45 MB, in which each thousandth record is bad."""
    block = "".join(f"{row},name of {row},some text that makes it longer\n" for row in range(GOOD // BAD))
    with path.open("w") as file:
        file.write("id,name,text\n")
        for number in range(BAD):
            file.write(f"{block}{number},too few\n")
    return path


async def test_no_call_fails(tmp_path: Path) -> None:
    large = write_large(tmp_path / "large.csv")
    options = ("--replicas", "2", "--processors", "2")
    env = {
        "INGESTOR_LAME_DUCK_SECONDS": "3",
        "INGESTOR_DRAIN_SECONDS": "15",
        "INGESTOR_PAGE_DIR": str(tmp_path / "none"),
    }
    with running(tmp_path / "suite", *options, **env) as suite:
        async with (
            AsyncClient(suite.gateway, patience=120) as client,
            calling(suite.gateway, workers=10) as load,
            asyncio.TaskGroup() as group,
        ):
            restarted = asyncio.Event()

            async def ingest() -> int:
                """Large files, one after the other, until there are no more restarts; how many."""
                files = 0
                while not restarted.is_set():
                    process = await (await client.ingest(large)).wait()
                    found = (process.state, process.counts.succeeded, process.counts.failed)
                    assert found == (ProcessState.COMPLETED_WITH_ERRORS, GOOD, BAD)
                    files += 1
                return files

            ingesting = group.create_task(ingest())
            for instances in ROUNDS:
                await restart(suite, instances)
            restarted.set()
            await load.made(CALLS)
            files = await ingesting
        again = load.opened_again.total()
        sys.stdout.write(
            f"{load.calls} calls, {len(load.failed)} failed, {again} streams and chunks again; "
            f"{files} large files\n"
        )
        assert not load.failed
        assert set(load.done) >= KINDS
