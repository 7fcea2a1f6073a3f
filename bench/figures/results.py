"""Figures of the benchmark, as Markdown for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.bare import Copied
from bench.figures.usage import Usage

_MIB = 2**20


@dataclass(frozen=True)
class Run:
    """One turn: COPY of CSV, COPY of the binary form, and the suite."""

    csv: Copied
    binary: Copied
    suite_seconds: float
    suite_wal: int
    ledger_bytes: int
    table_bytes: int
    usage: Usage
    stages: dict[str, float]
    dollars_per_million_rows: float


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def as_markdown(rows: int, runs: Sequence[Run], agrees: bool) -> str:
    """The figures of all runs; CPU seconds are per million rows."""
    about = machine()
    lines = [
        f"# {rows:,} rows of CSV, {len(runs)} runs",
        "",
        f"{about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB, {about['system']}, "
        f"Python {about['python']}; {datetime.now(UTC):%Y-%m-%d}.",
        "",
        "| | rows/s, median | min | max | suite in relation to it, median | min | max |",
        "|---|---|---|---|---|---|---|",
        _speeds("COPY of CSV", rows, [run.csv.seconds for run in runs], runs),
        _speeds("COPY of binary", rows, [run.binary.seconds for run in runs], runs),
        _speeds("suite", rows, [run.suite_seconds for run in runs], None),
        "",
        "| process | CPU s per 1 M rows, median | min | peak memory, MiB |",
        "|---|---|---|---|",
    ]
    kinds = sorted({kind for run in runs for kind in run.usage.cpu})
    for kind in kinds:
        times = [run.usage.cpu.get(kind, 0.0) * 1e6 / rows for run in runs]
        peak = max(run.usage.peak_rss.get(kind, 0) for run in runs)
        memory = f"{peak / _MIB:.0f}" if peak else ""
        lines.append(f"| {kind} | {statistics.median(times):.2f} | {min(times):.2f} | {memory} |")
    sums = [sum(run.usage.cpu.values()) * 1e6 / rows for run in runs]
    together = max(run.usage.peak_services for run in runs) / _MIB
    shared = max(run.usage.peak_services_pss for run in runs) / _MIB
    lines.append(
        f"| all | {statistics.median(sums):.2f} | {min(sums):.2f} | four services {together:.0f}; "
        f"{shared:.0f} with what they share counted once (PSS) |"
    )
    for name, times in (
        ("backend of COPY of CSV", [run.csv.cpu * 1e6 / rows for run in runs]),
        ("backend of COPY of binary", [run.binary.cpu * 1e6 / rows for run in runs]),
    ):
        lines.append(f"| {name} | {statistics.median(times):.2f} | {min(times):.2f} | |")
    lines += ["", "| stage | CPU s per 1 M rows, median | share |", "|---|---|---|"]
    whole = statistics.median(sums)
    for stage in runs[0].stages:
        seconds = statistics.median(run.stages[stage] for run in runs) * 1e6 / rows
        lines.append(f"| {stage} | {seconds:.2f} | {seconds / whole:.0%} |")
    ledger = statistics.median(run.ledger_bytes for run in runs) / rows
    table = statistics.median(run.table_bytes for run in runs) / rows
    dollars = statistics.median(run.dollars_per_million_rows for run in runs)
    lines += [
        "",
        f"Bytes in PostgreSQL per row: ledger {ledger:.2f}, table with its key {table:.0f}.",
        f"Queue and storage on AWS: {dollars:.4f} dollars per million rows (docs/operations/cost.md).",
        "WAL bytes per row: "
        + ", ".join(
            f"{name} {statistics.median(sizes) / rows:.0f}"
            for name, sizes in (
                ("COPY of CSV", [run.csv.wal for run in runs]),
                ("COPY of binary", [run.binary.wal for run in runs]),
                ("suite", [run.suite_wal for run in runs]),
            )
        )
        + ".",
        "",
        "Ledger and table agree with the file." if agrees else "LEDGER OR TABLE DIFFER FROM THE FILE.",
        "",
    ]
    return "\n".join(lines)


def _speeds(name: str, rows: int, seconds: Sequence[float], of: Sequence[Run] | None) -> str:
    speeds = [rows / one for one in seconds]
    row = f"| {name} | {statistics.median(speeds):,.0f} | {min(speeds):,.0f} | {max(speeds):,.0f} |"
    if of is None:
        return f"{row} | | |"
    ratios = [one / run.suite_seconds for one, run in zip(seconds, of, strict=True)]
    return f"{row} {statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |"


def write_results(folder: Path, rows: int, runs: Sequence[Run], agrees: bool) -> str:
    """Write both files; returns the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    text = as_markdown(rows, runs, agrees)
    found = {"rows": rows, "machine": machine(), "agrees": agrees, "runs": [asdict(run) for run in runs]}
    (folder / f"csv-{rows}.md").write_text(text, "utf-8")
    (folder / f"csv-{rows}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return text
