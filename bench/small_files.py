"""Loads small files: one after the other, many at once, and each by a command of its own.

    python -m bench.small_files --files 50 --at-once 100

Prints least, median and 95th percentile of milliseconds: on the server, from the opening of the upload to the
end of the process, by the suite's own timestamps; for a client that stays connected; for `ingestor ingest` as
a whole; and for a bare COPY of the same file by a connection of its own. With CPU milliseconds per file of
each process. Ledger and table are checked in the same run; the exit status is 1 when they do not agree.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from bench.figures.usage import Sampler
from bench.files.data import COLUMNS_SQL, made, pipeline, write_csv
from bench.options import parsed, parser
from bench.suite import CHECKSUM, INGESTOR, running_suite
from ingestor import AsyncClient

_TABLE, _BARE = "bench_small", "bench_small_copy"
_WARM = 5  # files
_BARS = "the server ≤ 250 ms (median), the command ≤ 800 ms (median), many at once ≤ 5,000 ms (p95)"


@dataclass(frozen=True)
class Ended:
    """A process that has ended, and what its client has waited."""

    process: str
    succeeded: int
    server: float  # seconds
    client: float


async def load(client: AsyncClient, path: Path, reference: str) -> Ended:
    """Send a file and wait for its end. Exits when it is not COMPLETED."""
    opened = ""

    def on_upload(progress: Any) -> None:
        nonlocal opened
        opened = progress.upload_id

    began = time.perf_counter()
    process = await (await client.ingest(path, reference, on_upload=on_upload)).wait()
    waited = time.perf_counter() - began
    if process.state != "COMPLETED":
        sys.exit(f"a small file ended {process.state}: {process.failure}")
    upload = await client.upload(opened)
    server = process.raw.end_time.ToDatetime() - upload.raw.create_time.ToDatetime()
    return Ended(process.id, process.counts.succeeded, server.total_seconds(), waited)


async def bare_copy(dsn: str, path: Path) -> float:
    """Seconds of a COPY by a new connection, connecting included."""
    began = time.perf_counter()
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_to_table(_BARE, source=path, format="csv", header=True)
    finally:
        await connection.close()
    return time.perf_counter() - began


def by_command(path: Path, reference: str, suite: dict[str, Any]) -> float:
    """Seconds of `ingestor ingest`. Exits when it fails."""
    command = [str(INGESTOR), "ingest", str(path), "--pipeline", reference, "--json"]
    began = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, "INGESTOR_DATA": suite["data"]}, stdout=subprocess.PIPE, check=False
    )
    taken = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}")
    return taken


def line(name: str, seconds: Sequence[float]) -> str:
    """Least, median, 95th percentile in milliseconds."""
    found = sorted(one * 1e3 for one in seconds)
    return (
        f"{name:<46} {found[0]:8.0f} {found[len(found) // 2]:8.0f} {found[(len(found) - 1) * 95 // 100]:8.0f}"
    )


def cpu_line(sampler: Sampler, files: int) -> str:
    """CPU milliseconds per file."""
    cpu = {kind: seconds / files * 1e3 for kind, seconds in sampler.usage.cpu.items()}
    kinds = ", ".join(f"{kind} {used:.0f}" for kind, used in sorted(cpu.items()) if used >= 0.5)
    return f"    CPU ms per file: {sum(cpu.values()):.0f} ({kinds})"


async def check(dsn: str, ended: Sequence[Ended], files: int, rows: int) -> list[str]:
    """Where ledger or table differ from the files; empty when they agree."""
    wrong = [f"{one.process} has {one.succeeded} rows" for one in ended if one.succeeded != rows]
    connection = await asyncpg.connect(dsn)
    try:
        bare = tuple(await connection.fetchrow(CHECKSUM.format(table=_BARE, right="true")) or ())
        suite = tuple(await connection.fetchrow(CHECKSUM.format(table=_TABLE, right="true")) or ())
        if suite != tuple(value * files for value in bare) or bare[0] != rows:
            wrong.append(f"the table has {suite}, one COPY {bare}, and there were {files} files")
        odd = await connection.fetchval(
            f"SELECT count(*) FROM (SELECT FROM {_TABLE} GROUP BY _process_id HAVING count(*) <> $1 "
            "OR count(DISTINCT _row_number) <> $1 OR NOT bool_and(_row_number = id)) odd",
            rows,
        )
        if odd:
            wrong.append(f"{odd} processes have not each row once")
    finally:
        await connection.close()
    return wrong


async def measure(suite: dict[str, Any], path: Path, rows: int, files: int, at_once: int) -> list[str]:
    """Print the figures; what is wrong with ledger and table."""
    dsn = suite["database_url"]
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"DROP TABLE IF EXISTS {_TABLE}, {_BARE}; CREATE TABLE {_BARE} ({COLUMNS_SQL})")
    document = pipeline(_TABLE)
    del document["schema"]["primaryKey"]  # the same rows again and again
    print(f"{f'{rows:,} rows, ms':<46} {'least':>8} {'median':>8} {'p95':>8}")
    copies = []
    for _ in range(files):
        await connection.execute(f"TRUNCATE {_BARE}")
        copies.append(await bare_copy(dsn, path))
    await connection.close()
    print(line("bare COPY, connection included", copies), flush=True)
    async with AsyncClient(suite["gateway"], patience=300) as client:
        reference = (await client.pipelines.apply(document)).reference
        ended = [await load(client, path, reference) for _ in range(_WARM)]
        sampler = Sampler(suite["pid"])
        with sampler.watching():
            found = [await load(client, path, reference) for _ in range(files)]
        print(line("one after the other, on the server", [one.server for one in found]))
        print(line("one after the other, for the client", [one.client for one in found]))
        print(cpu_line(sampler, files), flush=True)
        ended += found
        sampler = Sampler(suite["pid"])
        with sampler.watching():
            found = await asyncio.gather(*(load(client, path, reference) for _ in range(at_once)))
        print(line(f"{at_once} at once, on the server", [one.server for one in found]))
        print(line(f"{at_once} at once, for the client", [one.client for one in found]))
        print(cpu_line(sampler, at_once), flush=True)
        ended += found
        commands = [await asyncio.to_thread(by_command, path, reference, suite) for _ in range(files)]
        print(line("ingestor ingest, as a whole", commands))
    print(f"to reach on a quiet machine: {_BARS}")
    return await check(dsn, ended, len(ended) + files, rows)


def main() -> None:
    """Run the benchmark."""
    of = parser(__doc__, rows=1_000)
    of.add_argument("--files", type=int, default=50, help="one after the other")
    of.add_argument("--at-once", type=int, default=100)
    options = parsed(of)
    path = made(options.data / f"table-{options.rows}.csv", options.rows, write_csv)
    with running_suite((options.data / "small").absolute(), options.gateway_port) as suite:
        wrong = asyncio.run(measure(suite, path, options.rows, options.files, options.at_once))
    print("WRONG:\n" + "\n".join(wrong) if wrong else "ledger and table agree with the files")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
