"""Prometheus metrics: a registry per process, which is injected."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from ingestor.runtime.release import this_release


def new_registry() -> CollectorRegistry:
    """A registry with metrics of the process (release, CPU, memory, open files, garbage collection)."""
    # A series more for each counter and histogram, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    release = this_release()
    Info("ingestor_build", "The release that runs.", registry=registry).info(
        {"version": release.version, "commit": release.commit}
    )
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
