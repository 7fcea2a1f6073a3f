"""Prometheus metrics: a registry per process, which is injected."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)


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
