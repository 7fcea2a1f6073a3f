"""Runs a tool as a process, and measures what it and the servers that it uses take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
_LOOK_SECONDS = 0.05
_CHARACTERS = 2000  # of what a tool says when it ends otherwise than it should


@dataclass(frozen=True)
class Run:
    """What a tool took: seconds, CPU seconds of itself and of what it made the servers do, and its peak of
    resident bytes; the numbers of the records that it named, what it said, and its exit status."""

    seconds: float
    cpu: float
    peak: int
    status: int
    said: str
    named: frozenset[int] = field(default_factory=frozenset)


def run(
    python: Path, module: str, arguments: Sequence[str], servers: int, environment: Mapping[str, str]
) -> Run:
    """Run `python -m module`. `servers`: the pid whose children (PostgreSQL, SQS, the suite) it uses."""
    before = cpu_of(servers)
    started = time.perf_counter()
    process = subprocess.Popen(
        [python, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    with _watched(process.pid) as peak:
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = used.ru_utime + used.ru_stime + cpu_of(servers) - before
    try:
        result = json.loads(output.strip().splitlines()[-1])
    except (json.JSONDecodeError, IndexError):
        return Run(seconds, cpu, peak[0], process.returncode or 1, output.strip()[-_CHARACTERS:])
    return Run(seconds, cpu, peak[0], process.returncode, result["said"], frozenset(result["named"]))


def cpu_of(pid: int) -> float:
    """CPU seconds of all that descends from a process, with those of what has ended there."""
    total = 0.0
    for process in psutil.Process(pid).children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


@contextmanager
def _watched(pid: int) -> Iterator[list[int]]:
    """The peak, in bytes, of a process and its children together, while the context lasts."""
    peak, stop = [0], threading.Event()

    def look() -> None:
        while not stop.wait(_LOOK_SECONDS):
            try:
                root = psutil.Process(pid)
                sizes = [one.memory_info().rss for one in (root, *root.children(recursive=True))]
            except psutil.Error:
                continue
            peak[0] = max(peak[0], sum(sizes))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def ready(folder: Path, requirements: Path) -> Path:
    """The folder `bin` of a virtual environment with the peers; made when it is missing or old."""
    stamp = folder / requirements.name
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--requirement", requirements],
            check=True,
        )  # fmt: skip
        stamp.write_text(requirements.read_text())
    return folder / "bin"
