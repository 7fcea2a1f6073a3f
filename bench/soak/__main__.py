"""Loads many small files and then one large one, and watches whether the suite grows.

    python -m bench.soak --files 1000 --rows 20000000

Prints at every tenth of both what the services hold: RSS of each and of all, the memory of the whole suite
(PSS, PostgreSQL and Envoy included), descriptors, tasks, connections. The first two tenths warm the suite
up; from then on the RSS of the services together must stay within 10 % of its median, and when everything has
come to rest, nothing may have grown (bench/soak/growth.py). The exit status is 1 when something has.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.figures.usage import SERVICES
from bench.files.data import made, pipeline
from bench.options import parsed, parser
from bench.soak.footprint import Footprint, footprints, proportional_bytes
from bench.soak.growth import Holdings, come_back, holdings
from bench.suite import running_suite
from ingestor import AsyncClient

_SMALL = 1_000  # rows
_AT_ONCE = 4  # small files
_WARM = 2  # tenths
_FLAT = 0.1
_MIB = 2**20
_EVERY = 1.0  # seconds


@dataclass(frozen=True)
class Look:
    """At the suite at one moment. `suite`: bytes of all its processes."""

    services: Mapping[str, Footprint]
    suite: int

    def rss(self, service: str = "") -> int:
        """Of a service, or of all."""
        return sum(one.rss for name, one in self.services.items() if name.startswith(service))

    def total(self, what: str) -> int:
        """The sum of `descriptors`, `tasks` or `connections`."""
        return sum(getattr(one, what) for one in self.services.values())


@dataclass
class Watcher:
    """Looks every second, and sums up each tenth of the work."""

    found: dict[str, Any]
    tenths: list[list[Look]] = field(default_factory=lambda: [[]])

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.tenths[-1].append(await self.look())
            await asyncio.sleep(_EVERY)

    async def look(self) -> Look:
        """Look now."""
        return await asyncio.to_thread(
            lambda: Look(footprints(self.found), proportional_bytes(self.found["pid"]))
        )

    def tenth(self) -> Sequence[Look]:
        """A tenth is over; what was seen in it."""
        seen = self.tenths[-1]
        self.tenths.append([])
        return seen


def line(name: str, seen: Sequence[Look]) -> str:
    """The medians of a tenth."""

    def middle(values: Iterator[int], unit: int = 1) -> str:
        return f"{statistics.median(values) / unit:8.0f}"

    return f"{name:<14}" + "".join(
        (
            *(middle((look.rss(service) for look in seen), _MIB) for service in ("", *SERVICES)),
            middle((look.suite for look in seen), _MIB),
            *(middle(look.total(what) for look in seen) for what in ("descriptors", "tasks", "connections")),
        )
    )


def not_flat(phase: str, tenths: Sequence[Sequence[Look]]) -> Iterator[str]:
    """Tenths after the warm-up whose memory is away from that of the others."""
    medians = [statistics.median(look.rss() for look in seen) for seen in tenths if seen][_WARM:]
    if len(medians) > 1:
        middle = statistics.median(medians)
        for number, value in enumerate(medians, _WARM + 1):
            if abs(value / middle - 1) > _FLAT:
                yield f"{phase}, tenth {number}: {value / _MIB:,.0f} MiB, the median is {middle / _MIB:,.0f}"


async def at_rest(found: dict[str, Any], before: Holdings) -> list[str]:
    """Wait until the suite has come to rest; what has grown and does not come back."""
    now, problems = await come_back(partial(holdings, found, found["database_url"]), before)
    again = [name for name, was in before.instances.items() if now and now.instances[name].pid != was.pid]
    return problems + [f"{name} was started again" for name in again]


async def small_files(client: AsyncClient, path: Path, reference: str, files: int, watcher: Watcher) -> None:
    """Load a file again and again, and print each tenth."""
    left = iter(range(1, files + 1))
    step = max(1, files // 10)

    async def one() -> None:
        for number in left:
            process = await (await client.ingest(path, reference)).wait()
            if process.state != "COMPLETED":
                sys.exit(f"a small file ended {process.state}: {process.failure}")
            if number % step == 0 and (seen := watcher.tenth()):
                print(line(f"{number:,} files", seen), flush=True)

    await asyncio.gather(*(one() for _ in range(_AT_ONCE)))


async def large_file(client: AsyncClient, path: Path, reference: str, rows: int, watcher: Watcher) -> None:
    """Load a large file, and print each tenth."""
    process = await client.ingest(path, reference)
    tenth = 1
    while tenth <= 10:
        await process.refresh()
        while tenth <= 10 and process.counts.succeeded >= rows * tenth // 10:
            if seen := watcher.tenth():
                print(line(f"{rows * tenth // 10:,}", seen), flush=True)
            tenth += 1
        if process.state in ("FAILED", "CANCELLED", "COMPLETED_WITH_ERRORS"):
            sys.exit(f"the large file ended {process.state}: {process.failure}")
        await asyncio.sleep(0.2)  # between two looks
    await process.wait()


async def measure(found: dict[str, Any], small: Path, large: Path, files: int, rows: int) -> list[str]:
    """Do it, print the table, and return what is wrong."""
    watcher = Watcher(found)
    document = pipeline("soak")
    del document["schema"]["primaryKey"]  # the same rows again and again
    async with AsyncClient(found["gateway"], patience=300) as client:
        reference = (await client.pipelines.apply(document)).reference
        for _ in range(_AT_ONCE):
            await (await client.ingest(small, reference)).wait()
        before, problems = await holdings(found, found["database_url"]), list[str]()
        heads = ("services", *SERVICES, "suite")
        print(f"{'MiB':<14}" + "".join(f"{head[:7]:>8}" for head in (*heads, "descr.", "tasks", "conn.")))
        print(line("at rest", [await watcher.look()]), flush=True)
        works = {
            "small files": partial(small_files, client, small, reference, files, watcher),
            "large file": partial(large_file, client, large, reference, rows, watcher),
        }
        for phase, work in works.items():
            watcher.tenths = [[]]
            watching = asyncio.create_task(watcher.run())
            try:
                await work()
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
            problems += not_flat(phase, watcher.tenths)
            problems += [f"after the {phase}: {text}" for text in await at_rest(found, before)]
            print(line("at rest", [await watcher.look()]), flush=True)
    return problems


def main() -> None:
    """Run the benchmark."""
    of = parser(__doc__, rows=20_000_000)
    of.add_argument("--files", type=int, default=1_000)
    options = parsed(of)
    small = made(options.data / f"table-{_SMALL}.csv", _SMALL)
    large = made(options.data / f"table-{options.rows}.csv", options.rows)
    with running_suite((options.data / f"soak-{time.time_ns()}").absolute(), options.gateway_port) as suite:
        problems = asyncio.run(measure(suite, small, large, options.files, options.rows))
    for problem in problems:
        print(f"! {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
