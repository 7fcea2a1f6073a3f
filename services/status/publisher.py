"""The worker that publishes the outbox and removes old published events."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from ingestor.runtime.clock import Clock
from ingestor.runtime.workers import repeat
from ingestor.services.status.ports import Outbox, Send

log = structlog.get_logger(__name__)

_LIMIT = 100
_IDLE_SECONDS = 0.5
_FAILED_SECONDS = 5.0
_CLEAN_EVERY = timedelta(hours=1)


class Publisher:
    """Publishes events in order, at least once."""

    name = "publisher"

    def __init__(self, outbox: Outbox, send: Send, clock: Clock, retention: timedelta) -> None:
        self._outbox = outbox
        self._send = send
        self._clock = clock
        self._retention = retention
        self._cleaned = clock.now() - _CLEAN_EVERY

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish until `stopping` is set."""

        async def publish() -> None:
            while await self._outbox.publish(self._send, _LIMIT) == _LIMIT and not stopping.is_set():
                pass
            await self._clean()

        await repeat(
            publish, stopping, every=_IDLE_SECONDS, failure="cannot publish events",
            after_failure=_FAILED_SECONDS,
        )  # fmt: skip

    async def _clean(self) -> None:
        now = self._clock.now()
        if now - self._cleaned >= _CLEAN_EVERY:
            self._cleaned = now
            if count := await self._outbox.remove_published(now - self._retention):
                log.info("old events removed", count=count)
