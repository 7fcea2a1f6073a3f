"""Every instance of every service is restarted in turn while the suite is used: of 10,000 calls none fails,
and a large file that is ingested meanwhile has its right counts."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ingestor import AsyncClient
from ingestor.client import ProcessState
from tests.deploy.rolling import INSTANCES, calling, restart
from tests.e2e.conftest import running

CALLS = 10_000
GOOD, BAD = 3_000_000, 3_000


def write_large(path: Path) -> Path:
    """A file of about 100 MB, in which each thousandth record is bad."""
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
        async with AsyncClient(suite.gateway) as client, calling(suite.gateway, workers=6) as load:

            async def ingest() -> tuple[ProcessState, int, int]:
                process = await (await client.ingest(large)).wait()
                return process.state, process.counts.succeeded, process.counts.failed

            ingesting = asyncio.create_task(ingest())
            for instance in INSTANCES:
                await restart(suite, [instance])
            await load.made(CALLS)
            assert await ingesting == (ProcessState.COMPLETED_WITH_ERRORS, GOOD, BAD)
        sys.stdout.write(f"{load.calls} calls, {len(load.failed)} failed, again: {load.opened_again}\n")
        assert not load.failed
