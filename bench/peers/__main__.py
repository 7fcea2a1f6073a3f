"""Compares the suite with other tools: rows/s, CPU, memory, and what each says about wrong records.

    python -m bench.peers --rows 1000000 --runs 3

Each tool loads the same file into a new table of the same PostgreSQL, in turn, `--runs` times; and then a
file in which each hundredth record is wrong. `right`: of the rows that are right, how many are in the table
afterwards; `wrong`: how many of the wrong ones are there all the same, as something else; `named`: how many
the tool names as not loaded. A row is accounted for when it is right and in the table, or wrong and named.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bench.files.bad import write_bad
from bench.files.data import made
from bench.options import parsed, parser
from bench.peers.measure import Run, ready, run
from bench.suite import megabytes, running_suite


@dataclass(frozen=True)
class Peer:
    """A tool. `own`: it runs in this project's environment; `rows`: at most so many, since it is slow."""

    name: str
    module: str
    own: bool = False
    needs: str = ""  # a program
    rows: int = sys.maxsize


PEERS = (
    Peer("bare COPY", "copy", own=True),
    Peer("COPY, ON_ERROR ignore", "copy_ignore", own=True),
    Peer("Data Ingestor", "data_ingestor", own=True),
    Peer("dlt (Arrow)", "dlt_arrow"),
    Peer("Sling", "sling"),
    Peer("ingestr", "ingestr"),
    Peer("pgloader", "pgloader", needs="pgloader"),
    Peer("a message for each row", "message_per_row", own=True, rows=20_000),
)


@dataclass
class Found:
    """What a tool did."""

    rows: int
    good: list[Run] = field(default_factory=list)
    bad: Run | None = None
    right: int = 0
    wrong: int = 0
    named: int = 0


def main() -> None:
    """Run it."""
    of = parser(__doc__, rows=1_000_000, runs=3)
    of.add_argument("--only", default="", help="peers whose module's name has this in it")
    options = parsed(of)
    peers = [peer for peer in PEERS if options.only in peer.module]
    for peer in peers:
        if peer.needs and not shutil.which(peer.needs):
            print(f"left out: {peer.name} (no {peer.needs} here)")
    peers = [peer for peer in peers if not peer.needs or shutil.which(peer.needs)]
    python = ready((options.data / "peers").absolute(), Path(__file__).with_name("requirements.txt"))
    with running_suite((options.data / "suite").absolute(), options.gateway_port) as suite:
        found = {peer.name: Found(min(options.rows, peer.rows)) for peer in peers}
        for number in range(options.runs):
            for peer in peers:
                file = _file(options.data, found[peer.name].rows)
                done = _run(peer, python, suite, file, f"peer_{peer.module}_{number}")
                print(f"{peer.name}: {found[peer.name].rows / done.seconds:,.0f} rows/s", flush=True)
                if done.status:
                    print(f"  ended with status {done.status}: {done.said}")
                found[peer.name].good.append(done)
        for peer in peers:
            _with_bad(peer, python, suite, options.data, found[peer.name])
    _print(found)


def _file(folder: Path, rows: int) -> Path:
    return made(folder / f"table-{rows}.csv", rows)


def _run(peer: Peer, python: Path, suite: dict[str, Any], file: Path, table: str) -> Run:
    asyncio.run(
        _execute(suite["database_url"], f"DROP TABLE IF EXISTS {table}, {table}_status", "CHECKPOINT")
    )
    arguments = [
        "--dsn", suite["database_url"], "--file", str(file.absolute()), "--table", table,
        "--gateway", suite["gateway"], "--sqs", suite["aws_endpoint_url"], "--python", str(python),
    ]  # fmt: skip
    program = Path(sys.executable) if peer.own else python / "python"
    keys = {name: suite[name.lower()] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return run(program, f"bench.peers.tools.{peer.module}", arguments, int(suite["pid"]), keys)


def _with_bad(peer: Peer, python: Path, suite: dict[str, Any], folder: Path, found: Found) -> None:
    bad = folder / f"bad-{found.rows}.csv"
    wrong = write_bad(_file(folder, found.rows), bad)
    table = f"peer_{peer.module}_bad"
    found.bad = _run(peer, python, suite, bad, table)
    ids = asyncio.run(_ids(suite["database_url"], table))
    found.right, found.wrong = len(ids - wrong), len(ids & wrong)
    found.named = len(found.bad.named & wrong)
    print(f"{peer.name}, 1 % wrong: status {found.bad.status}; {found.bad.said[-200:]!r}", flush=True)


async def _execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _ids(dsn: str, table: str) -> set[int]:
    """The records that are in a table, if it is there."""
    connection = await asyncpg.connect(dsn)
    try:
        if not await connection.fetchval("SELECT to_regclass($1)", table):
            return set()
        return {int(row[0]) for row in await connection.fetch(f"SELECT id FROM {table}")}
    finally:
        await connection.close()


def _print(found: dict[str, Found]) -> None:
    columns = ["tool", "rows", "rows/s", "CPU s per 1 M rows", "peak RSS"]
    columns += ["1 % wrong: right", "wrong", "named", "accounted for"]
    print(f"\n| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for name, one in found.items():
        ended = [run for run in one.good if not run.status]
        accounted = (one.right + one.named) / one.rows
        print(
            f"| {name} | {one.rows:,} | {_speed(one, ended)} | {one.right:,} | {one.wrong:,} "
            f"| {one.named:,} | {accounted:.2%} |"
        )


def _speed(found: Found, ended: Sequence[Run]) -> str:
    if not ended:
        return "failed | | "
    seconds = statistics.median(run.seconds for run in ended)
    cpu = statistics.median(run.cpu for run in ended)
    peak = max(run.peak for run in ended)
    return f"{found.rows / seconds:,.0f} | {cpu * 1e6 / found.rows:.1f} | {megabytes(peak)}"


if __name__ == "__main__":
    main()
