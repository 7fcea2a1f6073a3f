"""Measures how long a file of 100,000 rows takes alone, and while strangers of another tenant attack.

    python -m bench.strangers

Prints for each attack of `tests.hostile.attacks` the seconds from the opening of the upload to the end of the
process, how many times as long that is as alone, and the peak of what all processes of the suite but
PostgreSQL had in memory of their own. The exit status is 1 when a file took more than twice as long, or was
not loaded whole.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil

from bench.files.data import write_csv, write_pipeline
from bench.options import parsed, parser
from bench.suite import running_suite, tenant_key
from ingestor import AsyncClient
from tests.hostile.attacks import ATTACKS

_MOST = 2.0  # times as long as alone
_ROWS = 100_000
_ALONE = 5  # runs
_MIB = 2**20


class Memory:
    """The most that a process and its descendants had at a time, apart from PostgreSQL; bytes."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self.peak = 0

    def look(self) -> None:
        """Take what they have now."""
        total = 0
        for process in (self._root, *self._root.children(recursive=True)):
            try:
                if "postgres" not in process.name():
                    total += process.memory_info().rss - process.memory_info().shared
            except psutil.NoSuchProcess:
                continue
        self.peak = max(self.peak, total)


@contextmanager
def watched(pid: int) -> Iterator[Memory]:
    """Look at the memory ten times a second while the context lasts."""
    memory, stop = Memory(pid), threading.Event()

    def run() -> None:
        while not stop.wait(0.1):
            memory.look()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield memory
    finally:
        stop.set()
        thread.join()


async def load(client: AsyncClient, path: Path, document: Path) -> float:
    """Ingest the innocent file; seconds."""
    started = time.perf_counter()
    ended = await (await client.ingest(path, document)).wait(timeout=600)
    if (ended.state, ended.counts.succeeded) != ("COMPLETED", _ROWS):
        sys.exit(f"the innocent file ended {ended.state}: {ended.failure or ended.counts}")
    return time.perf_counter() - started


@asynccontextmanager
async def attackers(gateway: str, key: str, attack: str, folder: Path) -> AsyncIterator[None]:
    """Attack while the context lasts, by a process that leaves the processors of this machine to others: it
    stands for machines elsewhere."""
    running = await asyncio.create_subprocess_exec(
        "nice", "-n", "19", sys.executable, "-m", "tests.hostile", gateway, attack, folder,
        stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert running.stdin is not None
    running.stdin.write(f"{key}\n".encode())
    try:
        yield
    finally:
        running.stdin.close()
        if await running.wait() != 0:
            sys.exit(f"the attackers ended with status {running.returncode}")


async def measure(gateway: str, pid: int, key: str, names: list[str]) -> bool:
    """Print the figures; True when a file took too long."""
    slow = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, document = folder / "innocent.csv", folder / "innocent.json"
        write_csv(path, _ROWS)
        write_pipeline(document, "innocent", "upsert")
        async with AsyncClient(gateway) as client:
            await load(client, path, document)  # warm
            with watched(pid) as memory:
                alone = statistics.median([await load(client, path, document) for _ in range(_ALONE)])
            print(f"{'alone':<40} {alone:6.2f} s         {memory.peak / _MIB:7,.0f} MiB")
            for attack in names:
                attack_folder = folder / str(names.index(attack))
                attack_folder.mkdir()
                with watched(pid) as memory:
                    async with attackers(gateway, key, attack, attack_folder):
                        await asyncio.sleep(2)  # so that it is at work
                        seconds = statistics.median([await load(client, path, document) for _ in range(3)])
                slow |= seconds > _MOST * alone
                print(
                    f"{attack:<40} {seconds:6.2f} s  {seconds / alone:5.1f}x {memory.peak / _MIB:7,.0f} MiB"
                )
    return slow


def main() -> None:
    """Run the benchmark."""
    of = parser(__doc__)
    of.add_argument("attacks", nargs="*", default=[*ATTACKS], help="all, if none is named")
    options = parsed(of)
    with running_suite((options.data / "strangers").absolute(), options.gateway_port) as suite:
        key = tenant_key(suite, "strangers")
        slow = asyncio.run(measure(suite["gateway"], suite["pid"], key, options.attacks))
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
