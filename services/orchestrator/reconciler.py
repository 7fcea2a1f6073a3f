"""Sends batches again that the queue has lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from ingestor.access.limits.quotas import QuotaExceededError
from ingestor.access.scope import within
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import ServiceError
from ingestor.runtime.observability import spans
from ingestor.runtime.workers import repeat
from ingestor.services.orchestrator.ingestions import Batch, Ingestion
from ingestor.services.orchestrator.ports import Ingestions, Status
from ingestor.services.orchestrator.service import OrchestratorService
from ingestor.stores.port import FileMissingError

log = structlog.get_logger(__name__)

_AT_ONCE = 50  # ingestions; fewer than can be looked at before they are due again


class Reconciler:
    """Finds sent batches that have no outcome at status. Each instance takes a part of the processes, so that
    many instances do together what one does alone; sending a batch twice would be harmless."""

    name = "reconciler"

    def __init__(
        self,
        ingestions: Ingestions,
        status: Status,
        service: OrchestratorService,
        clock: Clock,
        *,
        redispatch_seconds: float,
    ) -> None:
        self._ingestions = ingestions
        self._status = status
        self._service = service
        self._clock = clock
        self._age = timedelta(seconds=redispatch_seconds)
        self._interval = min(30.0, redispatch_seconds / 2)

    async def run(self, stopping: asyncio.Event) -> None:
        """Reconcile until `stopping` is set."""
        await repeat(
            self.reconcile, stopping, every=self._interval, failure="cannot reconcile",
            wake=(self._service.lost,),
        )  # fmt: skip

    async def reconcile(self) -> int:
        """Check every process that has not ended and that no instance has just looked at; return the number
        of batches sent again."""
        return await self._look(self._age, timedelta(0))

    async def send_lost(self, age: timedelta) -> int:
        """Check every process that no instance has looked at for `age`: batches that were sent before are
        lost. Returns how many are sent again."""
        return await self._look(age, max(timedelta(0), timedelta(seconds=self._interval) - age))

    async def _look(self, age: timedelta, early: timedelta) -> int:
        """Check the processes that are due, or are so `early`, for batches of this age."""
        count = 0
        while True:
            now = self._clock.now()
            until = now + timedelta(seconds=self._interval)
            taken = await self._ingestions.take_unsettled(now + early, until, _AT_ONCE)
            for ingestion in taken:
                count += await self._check(ingestion, age)
            if len(taken) < _AT_ONCE:
                return count

    async def _check(self, ingestion: Ingestion, age: timedelta) -> int:
        try:
            with within(ingestion.file.tenant):
                return await self._reconcile(ingestion, age)
        except (FileMissingError, ServiceError) as error:
            log.error("cannot send a batch again", process_id=ingestion.file.process_id, error=str(error))
            return 0

    async def _reconcile(self, ingestion: Ingestion, age: timedelta) -> int:
        process_id = ingestion.file.process_id
        progress = await self._status.progress(process_id)
        if progress is None:
            return 0
        if progress.state == "DELETED":  # a late call has added it again
            await self._ingestions.remove(process_id)
            return 0
        if progress.terminal:
            await self._ingestions.settle(process_id)
            return 0
        if ingestion.paused_until and ingestion.paused and ingestion.paused_until <= self._clock.now():
            await self._resume(process_id)
        if progress.held:  # its batches were dropped until it is resumed
            if progress.resumes:
                await self._resume(process_id)
            return 0
        numbers = await self._status.queued(process_id)
        old = await self._ingestions.sent_before(process_id, numbers, self._clock.now() - age)
        for batch in old:
            log.warning("sending a batch again", process_id=process_id, batch=batch.number)
            facts: spans.Attributes = {"ingestor.process_id": process_id, "ingestor.batch": batch.number}
            with spans.root("send lost batch", facts, number=batch.number):
                await self._service.send_again(ingestion, batch, "lost")
        if old:
            await self._tell(process_id, old)
        return len(old)

    async def _tell(self, process_id: str, batches: Sequence[Batch]) -> None:
        try:
            await self._status.redispatched(process_id, batches)
        except ServiceError as error:  # the batches are on their way all the same
            log.warning("cannot tell that batches were sent again", process_id=process_id, error=str(error))

    async def _resume(self, process_id: str) -> None:
        """Resume a process whose quota has begun anew, or whose table may be free."""
        try:
            await self._service.resume(process_id)
        except QuotaExceededError as error:  # other processes were faster
            log.info("process stays paused by a quota", process_id=process_id, quota=error.name)
