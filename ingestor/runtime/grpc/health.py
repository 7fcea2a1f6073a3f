"""Health: SERVING only while every dependency answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from grpc_health.v1 import health, health_pb2

from ingestor.runtime.workers import pause

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[object]]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class HealthMonitor:
    """Runs the checks periodically and sets the health of "" and of each gRPC service."""

    name = "health"

    def __init__(
        self,
        servicer: health.aio.HealthServicer,
        services: tuple[str, ...],
        checks: Mapping[str, Check],
        *,
        interval: float = 5.0,
        timeout: float = 3.0,
    ) -> None:
        """`interval` and `timeout` are seconds; a check fails by raising or by taking too long."""
        self._servicer = servicer
        self._services = ("", *services)
        self._checks = dict(checks)
        self._interval = interval
        self._timeout = timeout
        self._last: bool | None = None

    async def start(self) -> None:
        """Start as NOT_SERVING, where the library starts as SERVING."""
        await self._set(False)

    async def check(self) -> bool:
        """Run every check once and publish the result."""
        failed = []
        for name, check in self._checks.items():
            try:
                async with asyncio.timeout(self._timeout):
                    await check()
            except Exception as error:
                failed.append(name)
                log.warning("health check failed", check=name, error=f"{type(error).__name__}: {error}")
        await self._set(not failed)
        return not failed

    async def _set(self, serving: bool) -> None:
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
