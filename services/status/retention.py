"""The worker that expires old processes and removes the records of expired and deleted ones."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from ingestor.runtime.clock import Clock
from ingestor.runtime.workers import repeat
from ingestor.services.status.ports import Removals

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0
_AT_ONCE = 100  # processes expired in one transaction
_PIECE = 5_000  # records removed in one transaction


class Retention:
    """Runs every two seconds. Several instances may run; each skips what others have locked."""

    name = "retention"

    def __init__(self, removals: Removals, clock: Clock, keep: timedelta | None) -> None:
        """`keep` is the time from the end of a process to its expiry; None for never."""
        self._removals = removals
        self._clock = clock
        self._keep = keep

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set."""
        await repeat(
            lambda: self.look(stopping), stopping, every=_EVERY_SECONDS,
            failure="cannot expire and remove processes",
        )  # fmt: skip

    async def look(self, stopping: asyncio.Event | None = None) -> None:
        """Expire and remove everything that is due, unless `stopping` is set first."""

        def running() -> bool:
            return stopping is None or not stopping.is_set()

        if self._keep is not None:
            now = self._clock.now()
            while running() and (count := await self._removals.expire(now - self._keep, now, _AT_ONCE)):
                log.info("processes expired", count=count)
        removed = 0
        while running() and (count := await self._removals.clear(self._clock.now(), _PIECE)):
            removed += count
        if removed:
            log.info("records removed", steps=removed)
