"""The worker that expires old processes, removes the records of expired and deleted ones, and ends audit
records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog

from ingestor.runtime.clock import Clock
from ingestor.runtime.workers import repeat
from ingestor.services.status.access.ports import AuditRetention
from ingestor.services.status.ports import Removals

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0
_AT_ONCE = 100  # processes expired in one transaction
_AUDIT_EVERY = timedelta(hours=1)
_PIECE = 5_000  # records removed in one transaction


class Retention:
    """Runs every two seconds. Several instances may run; each skips what others have locked."""

    name = "retention"

    def __init__(
        self,
        removals: Removals,
        audit: AuditRetention,
        clock: Clock,
        keep: timedelta | None,
        keep_audit: timedelta,
    ) -> None:
        """`keep` is the time from the end of a process to its expiry; None for never. `keep_audit` is that of
        an audit record."""
        self._removals = removals
        self._audit = audit
        self._clock = clock
        self._keep = keep
        self._keep_audit = keep_audit
        self._audited = clock.now() - _AUDIT_EVERY

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
        await self._end_audit_records(running)

    async def _end_audit_records(self, running: Callable[[], bool]) -> None:
        now = self._clock.now()
        if now - self._audited < _AUDIT_EVERY:
            return
        ended = 0
        while running() and (count := await self._audit.expire(now - self._keep_audit, _PIECE)):
            ended += count
        self._audited = now
        if ended:
            log.info("audit records ended", count=ended)
