"""Metrics of the process itself: whether its loop keeps up, how many tasks it has, and how long its
certificates are valid."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge, Histogram

from ingestor.runtime.grpc.credentials import TlsFiles
from ingestor.runtime.workers import pause

_EVERY = 0.25  # seconds


class LoopLag:
    """The worker that wakes up four times a second, looks how late it is and counts the tasks of its loop."""

    name = "loop lag"

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "ingestor_event_loop_lag_seconds",
            "How late the event loop runs what is due.",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self._tasks = Gauge("ingestor_event_loop_tasks", "Tasks of the event loop.", registry=registry)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look until `stopping` is set."""
        while not stopping.is_set():
            began = time.monotonic()
            self._tasks.set(len(asyncio.all_tasks()))
            await pause(_EVERY, stopping)
            if not stopping.is_set():
                self._seconds.observe(max(0.0, time.monotonic() - began - _EVERY))


def observe_certificates(registry: CollectorRegistry, tls: TlsFiles | None) -> None:
    """Show until when the certificates of these files are valid. They are read at each scrape, since they are
    renewed in place; NaN: a file cannot be read. Without TLS there is nothing."""
    if tls is None:
        return
    gauge = Gauge(
        "ingestor_certificate_expiry_timestamp_seconds",
        "When the first certificate of the file expires, in seconds since 1970.",
        ["file"],
        registry=registry,
    )
    files: Mapping[str, Path] = {"certificate": tls.certificate, "ca": tls.ca}
    for name, path in files.items():
        gauge.labels(name).set_function(lambda path=path: _expiry(path))  # type: ignore[misc]


def _expiry(path: Path) -> float:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
        return min(certificate.not_valid_after_utc.timestamp() for certificate in found)
    except (OSError, ValueError):
        return float("nan")
