"""Upserts of new and of known keys beside a bare COPY of the same file: `python -m bench.suite --upsert`."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from bench.bare import copy, prepare
from bench.figures.usage import Sampler, Usage
from bench.files.data import write_pipeline
from ingestor import Process


class Ingested(Protocol):
    """A process that has ended, and the seconds that it took."""

    @property
    def process(self) -> Process:
        """The process."""

    @property
    def seconds(self) -> float:
        """From the upload's beginning on."""


def measure(
    suite: dict[str, Any],
    table: Path,
    document: Path,
    rows: int,
    runs: int,
    ingest: Callable[[], Ingested],
    empty: Callable[[], None],
    check: Callable[[Process], list[str]],
) -> bool:
    """Alternate between COPY and two upserts of the file: into an empty table, and again; print the figures.
    `ingest` ingests the file, `empty` empties the table, `check` compares ledger and table with the file.
    Returns whether something was wrong: also when an undo would not set back every row that the second upsert
    has replaced."""
    dsn, pid = suite["database_url"], int(suite["pid"])
    write_pipeline(document, "bench_suite", "upsert")
    asyncio.run(prepare(dsn))
    bare: list[float] = []
    found: dict[str, list[tuple[float, Usage]]] = {"new keys": [], "known keys": []}
    wrong: list[str] = []
    for number in range(1, runs + 1):
        bare.append(asyncio.run(copy(dsn, table)).seconds)
        empty()
        line = f"run {number}: COPY {rows / bare[-1]:>10,.0f} rows/s"
        for name, turns in found.items():
            sampler = Sampler(pid)
            with sampler.watching():
                done = ingest()
            turns.append((done.seconds, sampler.usage))
            wrong += check(done.process)
            line += f"   {name} {rows / done.seconds:>10,.0f} rows/s, ratio {bare[-1] / done.seconds:.2f}"
            set_back = rows if name == "known keys" else 0
            counts = done.process.undo(dry_run=True)
            if (counts.restored, counts.removed) != (set_back, rows - set_back):
                wrong.append(f"{name}: an undo would set back {counts.restored} and remove {counts.removed}")
        print(line, flush=True)
    print(f"\n{'of 1 M rows':<26}rows/s, median   ratio to COPY: median, min, max   CPU s, min   of these")
    for name, turns in found.items():
        ratios = [one / seconds for one, (seconds, _) in zip(bare, turns, strict=True)]
        speed = rows / statistics.median(seconds for seconds, _ in turns)
        usage = min((usage for _, usage in turns), key=lambda usage: sum(usage.cpu.values()))
        cpu = {kind: spent * 1e6 / rows for kind, spent in sorted(usage.cpu.items())}
        print(
            f"{f'upsert, {name}':<26}{speed:>14,.0f}   {statistics.median(ratios):.2f}, {min(ratios):.2f}, "
            f"{max(ratios):.2f}   {sum(cpu.values()):.2f}   "
            + ", ".join(f"{kind} {spent:.2f}" for kind, spent in cpu.items())
        )
    print("WRONG:\n" + "\n".join(wrong) if wrong else "\nledger and table agree with the file")
    return bool(wrong)
