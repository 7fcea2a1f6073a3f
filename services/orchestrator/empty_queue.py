"""Finds out soon that the queue has lost its messages."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from ingestor.runtime.workers import repeat
from ingestor.services.orchestrator.ports import Ingestions, Queues
from ingestor.services.orchestrator.reconciler import Reconciler

log = structlog.get_logger(__name__)

_LOOKS = 3  # at empty queues, so that a batch that is just being sent is none


class EmptyQueue:
    """Looks whether the queue has any messages, in work or dead ones too. A message is in one of the queues
    until its batch has an outcome; so while they are empty, every batch without one is lost."""

    name = "empty queue"

    def __init__(
        self, queues: Queues, ingestions: Ingestions, reconciler: Reconciler, *, lost_seconds: float
    ) -> None:
        """The queues must be empty for `lost_seconds`, since what SQS says of them is approximate."""
        self._queues = queues
        self._ingestions = ingestions
        self._reconciler = reconciler
        self._age = timedelta(seconds=lost_seconds)
        self._empty = 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Look until `stopping` is set."""
        every = self._age.total_seconds() / 4
        await repeat(self.look, stopping, every=every, failure="cannot look whether the queue is empty")

    async def look(self) -> int:
        """Returns how many batches are sent again: none before the third look at empty queues."""
        if not await self._ingestions.has_unsettled():  # an idle suite asks SQS nothing
            self._empty = 0
            return 0
        depths = await self._queues.rows(), await self._queues.dead_letters()
        if any(depth.visible or depth.in_flight for depth in depths):
            self._empty = 0
            return 0
        self._empty += 1
        if self._empty < _LOOKS:
            return 0
        count = await self._reconciler.send_lost(self._age)
        if count:
            log.warning("the queue had lost batches", sent_again=count)
        return count
