"""Health: is the process alive, and would it serve a call now?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import structlog
from grpc_health.v1 import health, health_pb2

from ingestor.runtime.workers import pause

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[object]]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

LIVE = "live"
"""The name by which a gRPC health check asks whether the process is alive; the names of services, and "", ask
whether it is ready."""

_BEAT_SECONDS = 1.0
_MOST_SILENT_SECONDS = 20.0  # of the event loop, while it is alive


class HealthMonitor:
    """Runs the checks periodically and sets the health of "" and of each gRPC service. `alive` and `ready`
    may be asked from other threads.

    What only workers wait for must have answered once before the service is ready, so that a release that
    cannot reach it replaces no other. Later it keeps no caller from what the service can answer without it.
    """

    name = "health"

    def __init__(
        self,
        servicer: health.aio.HealthServicer,
        services: tuple[str, ...],
        checks: Mapping[str, Check],
        of_workers: Mapping[str, Check] = MappingProxyType({}),
        *,
        interval: float = 5.0,
        timeout: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`interval` and `timeout` are seconds; a check fails by raising or by taking too long."""
        self._servicer = servicer
        self._services = ("", *services)
        self._checks = {**checks, **of_workers}
        self._unseen = set(of_workers)
        self._needed = frozenset(checks)
        self._interval = interval
        self._timeout = timeout
        self._clock = clock
        self._last: bool | None = None
        self._leaving = False
        self._beat = clock()
        self._beating: asyncio.Task[None] | None = None

    def alive(self) -> bool:
        """Whether the event loop has run lately."""
        return self._clock() - self._beat < _MOST_SILENT_SECONDS

    def ready(self) -> bool:
        """Whether what calls need answered, and the service is not about to stop."""
        return bool(self._last) and self.alive()

    async def start(self) -> None:
        """Begin alive, and as NOT_SERVING, where the library starts as SERVING."""
        self._beating = asyncio.create_task(self._keep_beating())
        await self._servicer.set(LIVE, SERVING)
        await self._set(False)

    async def leave(self) -> None:
        """Not ready from now on, whatever the checks say: the service is about to stop."""
        self._leaving = True
        await self._set(False)

    def stop(self) -> None:
        """The event loop ends."""
        if self._beating:
            self._beating.cancel()

    async def check(self) -> bool:
        """Run every check once and publish the result: whether the service is ready."""
        failed = []
        for name, check in self._checks.items():
            try:
                async with asyncio.timeout(self._timeout):
                    await check()
            except Exception as error:
                failed.append(name)
                log.warning("health check failed", check=name, error=f"{type(error).__name__}: {error}")
            else:
                self._unseen.discard(name)
        ready = not self._unseen and self._needed.isdisjoint(failed)
        await self._set(ready)
        return ready

    async def _set(self, serving: bool) -> None:
        serving = serving and not self._leaving
        if serving != self._last:
            log.info("health changed", serving=serving)
        self._last = serving
        for service in self._services:
            await self._servicer.set(service, SERVING if serving else NOT_SERVING)

    async def run(self, stopping: asyncio.Event) -> None:
        """Check until `stopping` is set."""
        while not stopping.is_set():
            await self.check()
            await pause(self._interval if self._last else 1.0, stopping)

    async def _keep_beating(self) -> None:
        while True:
            self._beat = self._clock()
            await asyncio.sleep(_BEAT_SECONDS)
