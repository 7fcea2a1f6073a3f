"""Prometheus metrics: a registry per process, which is injected, and its HTTP endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from ingestor.runtime.addresses import split_address


def new_registry() -> CollectorRegistry:
    """A registry with metrics of the process (CPU, memory, open files, garbage collection)."""
    # A series more for each counter and histogram, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


# A look takes milliseconds, the end of an upload of many gigabytes minutes (its hash is checked).
_RPC_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1800)


class RpcMetrics:
    """Counts and times every RPC that a server answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.handled = Counter(
            "grpc_server_handled_total", "RPCs answered.", ["method", "code"], registry=registry
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds",
            "Duration of RPCs in seconds; a stream lasts as long as somebody listens.",
            ["method"],
            buckets=_RPC_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "grpc_server_calls_in_flight", "RPCs that are being answered.", ["method"], registry=registry
        )


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
