"""Concludes dead letters: messages that were received too often, whatever the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from prometheus_client import CollectorRegistry, Counter

from ingestor.formats import NewerReleaseError
from ingestor.outcomes import RowError
from ingestor.services.processor.batches import BatchKey, RowBatch, failed_outcome
from ingestor.services.processor.checks.port import Checks
from ingestor.services.processor.ports import (
    Delivery,
    HandedBack,
    MessageRefusedError,
    RowQueue,
    UnreadableBatchError,
)
from ingestor.services.processor.service import BatchService
from ingestor.services.processor.worker import for_tenant

log = structlog.get_logger(__name__)

# Receives of a dead letter. Its rows are checked in other processes, so that only loading them could end the
# processor so often.
_MOST_TRIES = 10


class DeadHandler:
    """Tries dead letters once more, with the checks in processes of their own: a message may be dead because
    its processors were killed or restarted, for which no row fails. Rows that the checks do not survive are
    FAILED; the whole batch is if it cannot be read or loaded. But not that of a message that is too new for
    this release, or was so for another processor."""

    def __init__(
        self,
        queue: RowQueue,
        service: BatchService,
        handed_back: HandedBack,
        checks: Callable[[str], Checks],
        registry: CollectorRegistry,
    ) -> None:
        """`checks` of a batch of this tenant."""
        self._queue = queue
        self._handed_back = handed_back
        self._service = service
        self._checks = checks
        self._dead = Counter(
            "ingestor_dead_letters_total", "Dead messages by kind.", ["kind"], registry=registry
        )
        for kind in ("batch", "handed_back", "recovered", "unknown"):
            self._dead.labels(kind)  # from 0, so that the first one is an increase

    async def __call__(self, delivery: Delivery) -> None:
        """Conclude the batch; drop a message that names none, and one that was handed back to the queue too
        often: the orchestrator sends it again. Raises NewerReleaseError, and MessageRefusedError."""
        if delivery.key is None:
            self._dead.labels("unknown").inc()
            log.error("dropping a dead message that names no batch", message_id=delivery.message_id)
            return
        async with for_tenant(delivery.key, self._service):
            batch = None
            try:
                with suppress(UnreadableBatchError):
                    batch = await asyncio.to_thread(self._queue.decode, delivery)
                handed_back = await self._handed_back.is_noted(delivery.message_id, delivery.key.tenant)
                if batch and handed_back:
                    await self._service.check_pipeline(batch)
                elif batch and delivery.receive_count <= _MOST_TRIES and await self._recovers(batch):
                    return
            except NewerReleaseError:
                await self._handed_back.note(delivery.message_id, delivery.key)
                raise
            if batch and handed_back:
                self._dead.labels("handed_back").inc()
                log.warning("batch dropped, an older release could not read it; it is sent again")
                return
            await self._give_up(delivery.key)

    async def _recovers(self, batch: RowBatch) -> bool:
        """Whether the batch could be applied after all."""
        try:
            await self._service.apply(batch, self._checks(batch.key.tenant))
        except (NewerReleaseError, MessageRefusedError):
            raise
        except Exception as error:
            log.error("a dead batch cannot be applied", exc_info=error)
            return False
        self._dead.labels("recovered").inc()
        log.warning("a dead batch was applied after all")
        return True

    async def _give_up(self, key: BatchKey) -> None:
        self._dead.labels("batch").inc()
        log.error("batch is dead", row_count=key.range.row_count)
        message = "The batch of this row could not be processed and was given up after several tries."
        await self._service.settle(failed_outcome(key, RowError("batch-error", "", "", message, "load")))
