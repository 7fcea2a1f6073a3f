"""Prometheus metrics: a registry per process, which is injected, and its HTTP endpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from ingestor.runtime.addresses import split_address
from ingestor.runtime.observability.spans import exemplar


def new_registry() -> CollectorRegistry:
    """A registry with metrics of the process (CPU, memory, open files, garbage collection)."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class RpcMetrics:
    """Counts and times every RPC that a server answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.handled = Counter(
            "grpc_server_handled_total", "RPCs answered.", ["method", "code"], registry=registry
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds", "Duration of RPCs in seconds.", ["method"], registry=registry
        )


@contextmanager
def timed(histogram: Histogram) -> Iterator[None]:
    """Observe how long the context lasts; the current span is the exemplar."""
    started = time.perf_counter()
    try:
        yield
    finally:
        histogram.observe(time.perf_counter() - started, exemplar())


@contextmanager
def serve_metrics(registry: CollectorRegistry, listen: str) -> Iterator[int | None]:
    """Serve /metrics while the context lasts; yields the port, None when `listen` is empty.

    Raises OSError when the address is in use.
    """
    if not listen:
        yield None
        return
    host, port = split_address(listen)
    server, thread = start_http_server(port, host, registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
