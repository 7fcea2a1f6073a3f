"""The worker that follows the log of removals."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog
from prometheus_client import CollectorRegistry, Gauge

from ingestor.access.scope import within
from ingestor.removals.ports import Removal, RemovalInbox, RemovalLog, Remove
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import ServiceError, TransientError
from ingestor.runtime.retry import backoff
from ingestor.runtime.workers import repeat

log = structlog.get_logger(__name__)

_PAGE = 1000
_HOLD = timedelta(seconds=60)  # then another instance takes over a removal from one that died
_LONGEST_WAIT = 300  # seconds between attempts of a removal that fails


class RemovalFollower:
    """Copies listed removals into the service's inbox, then does them one by one. A failed removal is
    repeated later, without limit, and does not delay others."""

    name = "removals"

    def __init__(
        self,
        source: RemovalLog,
        inbox: RemovalInbox,
        remove: Remove,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        poll_seconds: float,
    ) -> None:
        self._source = source
        self._inbox = inbox
        self._remove = remove
        self._clock = clock
        self._poll = poll_seconds
        self._waiting = Gauge(
            "ingestor_removals_waiting", "Removals that are not done yet.", registry=registry
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the log until `stopping` is set."""
        await repeat(
            lambda: self._follow(stopping), stopping, every=self._poll, failure="cannot do removals",
            expected=(TransientError, ServiceError),
        )  # fmt: skip

    async def _follow(self, stopping: asyncio.Event) -> None:
        try:
            await self.accept(stopping)
        except (TransientError, ServiceError) as error:  # does not keep accepted removals waiting
            log.warning("cannot read the log of removals", error=str(error))
        await self.work(stopping)

    async def accept(self, stopping: asyncio.Event | None = None) -> None:
        """Copy every listed removal into the inbox."""
        while stopping is None or not stopping.is_set():
            after = await self._inbox.cursor()
            found = await self._source.read(after, _PAGE)
            if not found or not await self._inbox.accept(after, found):
                return

    async def work(self, stopping: asyncio.Event | None = None) -> None:
        """Do every removal that is due now."""
        while stopping is None or not stopping.is_set():
            now = self._clock.now()
            taken = await self._inbox.take(now, now + _HOLD)
            if taken is None:
                break
            await self._do(*taken)
        self._waiting.set(await self._inbox.waiting())

    async def _do(self, removal: Removal, attempts: int) -> None:
        try:
            with within(removal.tenant):
                await self._remove(removal)
        except Exception as error:
            wait = backoff(attempts, first=2, longest=_LONGEST_WAIT)
            expected = isinstance(error, TransientError | ServiceError | OSError)
            log.log(
                30 if expected else 40,
                "cannot remove the process yet",
                process_id=removal.process_id,
                attempts=attempts,
                again_in=wait,
                error=str(error),
                exc_info=None if expected else error,
            )
            await self._inbox.put_back(removal.sequence, self._clock.now() + timedelta(seconds=wait))
        else:
            await self._inbox.done(removal.sequence)
            log.info("process removed", process_id=removal.process_id, deleted=removal.deleted)
