"""The worker that publishes the outbox and removes old published events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog
from prometheus_client import CollectorRegistry, Counter

from ingestor.runtime.clock import Clock
from ingestor.runtime.fail_points import fail_point
from ingestor.runtime.workers import repeat
from ingestor.services.status.ports import LoggedEvent, Outbox, Send

log = structlog.get_logger(__name__)

_LIMIT = 100
_IDLE_SECONDS = 0.5
_FAILED_SECONDS = 5.0
_CLEAN_EVERY = timedelta(hours=1)


class Publisher:
    """Publishes events in order, at least once."""

    name = "publisher"

    def __init__(
        self, outbox: Outbox, send: Send, clock: Clock, retention: timedelta, registry: CollectorRegistry
    ) -> None:
        self._outbox = outbox
        self._send = send
        self._clock = clock
        self._retention = retention
        self._cleaned = clock.now() - _CLEAN_EVERY
        self._published = Counter(
            "ingestor_events_published_total", "Events that were published.", ["type"], registry=registry
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish until `stopping` is set."""

        async def publish() -> None:
            while await self._outbox.publish(self._announce, _LIMIT) == _LIMIT and not stopping.is_set():
                pass
            await self._clean()

        await repeat(
            publish, stopping, every=_IDLE_SECONDS, failure="cannot publish events",
            after_failure=_FAILED_SECONDS,
        )  # fmt: skip

    async def _announce(self, events: Sequence[LoggedEvent]) -> None:
        """Send events, and count them."""
        await self._send(events)
        fail_point("events.published")
        for event in events:
            self._published.labels(event.type).inc()

    async def _clean(self) -> None:
        now = self._clock.now()
        if now - self._cleaned >= _CLEAN_EVERY:
            self._cleaned = now
            if count := await self._outbox.remove_published(now - self._retention):
                log.info("old events removed", count=count)
