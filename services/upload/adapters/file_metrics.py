"""Metrics of the programs that read files, and of the disks that they and the file store use."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Histogram

_SECONDS = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1800, 7200)
_MEBIBYTE = 2**20
_BYTES = tuple(size * _MEBIBYTE for size in (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384))

# What the programs are for, by their modules.
_PURPOSES = {
    "ingestor.tabular.files.convert": "convert",
    "ingestor.tabular.files.excerpt": "excerpt",
    "ingestor.pipelines.inspection": "inspect",
    "ingestor.repair_file": "repair",
}
_RESULTS = ("done", "unreadable", "killed")


class ProgramRun:
    """A program that runs; say how it ended."""

    result = "killed"
    peak_memory: int | None = None  # bytes; None: it did not say


class ProgramMetrics:
    """How long programs that read a file take, and how much memory."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "ingestor_converter_seconds",
            "Seconds that programs have read a file, by what for and how it ended.",
            ["purpose", "result"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._memory = Histogram(
            "ingestor_converter_peak_memory_bytes",
            "Most memory that a program which reads a file has used.",
            ["purpose"],
            buckets=_BYTES,
            registry=registry,
        )
        self._running = Gauge(
            "ingestor_converters_running", "Programs that read a file now.", ["purpose"], registry=registry
        )
        for purpose in _PURPOSES.values():
            self._memory.labels(purpose)
            self._running.labels(purpose)
            for result in _RESULTS:
                self._seconds.labels(purpose, result)

    @contextmanager
    def run(self, module: str) -> Iterator[ProgramRun]:
        """A run of the program; not counted when the caller ends it."""
        purpose, run = _PURPOSES[module], ProgramRun()
        began = time.perf_counter()
        with self._running.labels(purpose).track_inprogress():
            yield run
        self._seconds.labels(purpose, run.result).observe(time.perf_counter() - began)
        if run.peak_memory is not None:
            self._memory.labels(purpose).observe(run.peak_memory)


def observe_disks(folders: Mapping[str, Path], registry: CollectorRegistry) -> None:
    """Show how large the disks of these folders are, and how much of them is free, looked up at each scrape.
    NaN: a folder is not there."""
    free = Gauge(
        "ingestor_disk_free_bytes", "Free space of the disk with a folder.", ["folder"], registry=registry
    )
    size = Gauge("ingestor_disk_size_bytes", "Size of the disk with a folder.", ["folder"], registry=registry)
    for name, path in folders.items():
        free.labels(name).set_function(lambda path=path: _usage(path)[1])  # type: ignore[misc]
        size.labels(name).set_function(lambda path=path: _usage(path)[0])  # type: ignore[misc]


def _usage(path: Path) -> tuple[float, float]:
    """Size and free space, which may be less for this user than for root."""
    try:
        found = shutil.disk_usage(path)
    except OSError:
        return float("nan"), float("nan")
    return float(found.total), float(found.free)
