"""The worker that publishes the outbox, and removes what was published long ago."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import TransientError
from ingestor.services.status.ports import Outbox, Sender

log = structlog.get_logger(__name__)

_LIMIT = 100
_IDLE_SECONDS = 0.5
_CLEAN_EVERY = timedelta(hours=1)


class Publisher:
    """Publishes events in their order, at least once; waits with growing patience while the queue
    is away."""

    name = "publisher"

    def __init__(self, outbox: Outbox, send: Sender, clock: Clock, retention: timedelta) -> None:
        self._outbox = outbox
        self._send = send
        self._clock = clock
        self._retention = retention
        self._cleaned = clock.now() - _CLEAN_EVERY

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish until told to stop."""
        wait = _IDLE_SECONDS
        while not stopping.is_set():
            try:
                count = await self._outbox.publish(self._send, _LIMIT)
                await self._clean()
                wait = 0.0 if count == _LIMIT else _IDLE_SECONDS
            except TransientError as error:
                wait = min(max(wait, _IDLE_SECONDS) * 2, 30.0)
                log.warning("events are not published", error=str(error), again_in=wait)
            try:
                async with asyncio.timeout(wait):
                    await stopping.wait()
            except TimeoutError:
                continue

    async def _clean(self) -> None:
        now = self._clock.now()
        if now - self._cleaned >= _CLEAN_EVERY:
            self._cleaned = now
            if count := await self._outbox.remove_published(now - self._retention):
                log.info("old events removed", count=count)
