"""Background work of a service, which finds rows of all tenants."""

from __future__ import annotations

import asyncio

from ingestor.access.scope import everything
from ingestor.runtime.host import Worker


class ServiceWide(Worker):
    """Runs a worker in the scope of everything. What the worker does for one tenant it does `within` that."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.name = worker.name

    async def run(self, stopping: asyncio.Event) -> None:
        with everything():
            await self._worker.run(stopping)


def service_wide(*workers: Worker) -> tuple[Worker, ...]:
    """Workers, each in the scope of everything."""
    return tuple(ServiceWide(worker) for worker in workers)
