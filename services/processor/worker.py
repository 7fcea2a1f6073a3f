"""The worker of a queue, and what it does with the messages of the rows queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from math import ceil

import structlog
from opentelemetry.trace import Span, SpanKind

from ingestor.access.scope import within
from ingestor.formats import NewerReleaseError
from ingestor.runtime.errors import TransientError
from ingestor.runtime.observability import spans
from ingestor.runtime.observability.stages import stage
from ingestor.runtime.retry import backoff
from ingestor.runtime.workers import pause, unless_stopped
from ingestor.services.processor.batches import BatchKey
from ingestor.services.processor.ports import (
    Delivery,
    HandedBack,
    MessageRefusedError,
    RowQueue,
    UnreadableBatchError,
)
from ingestor.services.processor.service import BatchService, Metrics

log = structlog.get_logger(__name__)

# A message that only a newer release can read is for others soon. This processor receives none for longer,
# since each time counts towards the limit after which the queue gives the message up.
_LEAVE_SECONDS, _PAUSE_SECONDS = 5, 30
_MOST_RECEIVED = 10  # messages; the limit of SQS

Handle = Callable[[Delivery], Awaitable[None]]


class QueueWorker:
    """Receives only as many messages as it has free slots. A message stays hidden while it is handled. If
    that fails, the message is released after a while; the queue moves it to the dead-letter queue when it was
    received too often. A message that is not from the suite, or whose tenant is gone, is dropped and
    counted. A message of a newer release is handed back, and none is received for a while, so that others
    take it."""

    def __init__(
        self,
        name: str,
        queue: RowQueue,
        handle: Handle,
        metrics: Metrics,
        *,
        concurrency: int,
        visibility_seconds: int,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self.name = name
        self._retries = metrics.retries
        self._refused = metrics.refused
        self._in_work = metrics.in_work.labels(name.replace(" ", "_"))
        self._handed_back = metrics.handed_back.labels(name.replace(" ", "_"))
        self._pause = pause_seconds
        self._resume_at = 0.0  # on the loop's clock
        self._queue = queue
        self._handle = handle
        self._free = asyncio.Semaphore(concurrency)
        self._visibility = visibility_seconds
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish the messages in work. When cancelled, return them to the
        queue."""
        try:
            while not stopping.is_set():
                await self._free.acquire()
                slots = 1
                while not self._free.locked() and slots < _MOST_RECEIVED:
                    await self._free.acquire()
                    slots += 1
                if (left := self._resume_at - asyncio.get_running_loop().time()) > 0:
                    await pause(left, stopping)
                    if stopping.is_set():
                        break
                receiving = self._retries.until_done(
                    f"{self.name} queue", partial(self._queue.receive, slots)
                )
                found = await unless_stopped(stopping, receiving) or []
                for _ in range(slots - len(found)):
                    self._free.release()
                for delivery in found:
                    task = asyncio.create_task(self._work(delivery))
                    self._running.add(task)
                    task.add_done_callback(self._done)
            await asyncio.gather(*self._running)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._free.release()

    async def _work(self, delivery: Delivery) -> None:
        """Handle one message. Raises only when cancelled."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(worker=self.name)
        if delivery.key:
            structlog.contextvars.bind_contextvars(
                tenant=delivery.key.tenant,
                process_id=delivery.key.process_id,
                batch=delivery.key.range.number,
            )
        handling = _span_of(delivery)
        release_after = 0
        try:
            with self._in_work.track_inprogress():
                await self._attempt(delivery, handling)
                return
        except asyncio.CancelledError as error:
            spans.fail(handling, error)
            log.warning("handed back")
            await asyncio.shield(self._release(delivery, 0))
            raise
        except NewerReleaseError as error:
            self._handed_back.inc()
            self._resume_at = asyncio.get_running_loop().time() + self._pause
            release_after = _LEAVE_SECONDS
            log.warning("left for a newer release", reason=error.message, pause_seconds=self._pause)
        except Exception as error:
            spans.fail(handling, error)
            release_after = ceil(backoff(delivery.receive_count, first=1, longest=60))
            log.error(
                "message failed", received=delivery.receive_count, again_in=release_after, exc_info=error
            )
        finally:
            handling.end()
        await self._release(delivery, release_after)

    async def _attempt(self, delivery: Delivery, handling: Span) -> None:
        """Handle one message and delete it. Raises what the handler raises."""
        async with self._hidden(delivery):
            try:
                if not delivery.is_authentic:
                    raise MessageRefusedError("signature")
                await self._handle(delivery)
            except MessageRefusedError as error:
                spans.fail(handling, error)
                self._refused.labels(error.reason).inc()
                log.error("message dropped", reason=error.reason, message_id=delivery.message_id)
            await self._delete(delivery)

    @asynccontextmanager
    async def _hidden(self, delivery: Delivery) -> AsyncIterator[None]:
        """Keep the message hidden while the context lasts."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(self._visibility / 4)
                try:
                    await self._queue.hide(delivery, self._visibility)
                except TransientError as error:
                    log.warning("visibility not extended", error=str(error))

        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _delete(self, delivery: Delivery) -> None:
        """Delete a message whose outcome is durable. If that fails it comes again, which does no harm."""
        try:
            await self._queue.delete(delivery)
        except TransientError as error:
            log.warning("message not deleted, it will come again", error=str(error))

    async def _release(self, delivery: Delivery, seconds: int) -> None:
        try:
            await self._queue.hide(delivery, seconds)
        except TransientError as error:
            log.warning("message not released, it will come again by itself", error=str(error))


def _span_of(delivery: Delivery) -> Span:
    """The span of a message, in the trace of its file and linked to its sending, by the conventions of
    OpenTelemetry for messaging."""
    facts: dict[str, str | int | float] = {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": delivery.queue,
        "messaging.message.id": delivery.message_id,
        "messaging.message.body.size": len(delivery.body),
        "ingestor.receive_count": delivery.receive_count,
    }
    if delivery.sent:
        waited = (datetime.now(UTC) - delivery.sent).total_seconds()
        facts["ingestor.queue_seconds"] = round(max(0.0, waited), 3)
    if delivery.key:
        facts |= {
            "ingestor.process_id": delivery.key.process_id,
            "ingestor.tenant": delivery.key.tenant,
            "ingestor.batch": delivery.key.range.number,
            "ingestor.rows": delivery.key.range.row_count,
        }
    name = f"process {delivery.queue}"
    return spans.begin(name, SpanKind.CONSUMER, delivery.traceparent, facts, linked=True)


@asynccontextmanager
async def for_tenant(key: BatchKey, service: BatchService) -> AsyncIterator[None]:
    """Handle a message within its tenant. Raises MessageRefusedError when that is gone: whatever fails then
    would fail again."""
    with within(key.tenant):
        try:
            yield
        except MessageRefusedError:
            raise
        except Exception as error:
            if await service.has_tenant():
                raise
            raise MessageRefusedError("tenant") from error


class RowsHandler:
    """Handles messages of the rows queue."""

    def __init__(self, queue: RowQueue, service: BatchService, handed_back: HandedBack) -> None:
        self._queue = queue
        self._handed_back = handed_back
        self._service = service

    async def __call__(self, delivery: Delivery) -> None:
        """Apply the batch. Raises UnreadableBatchError, MessageRefusedError, NewerReleaseError, and what
        BatchService.apply raises."""
        if delivery.key is None:
            raise UnreadableBatchError("the attributes name no batch")
        with self._service.measured(delivery.sent):
            await self._apply(delivery, delivery.key)

    async def _apply(self, delivery: Delivery, key: BatchKey) -> None:
        async with for_tenant(key, self._service):
            try:
                with stage("fetch"), spans.span("decode"):
                    batch = await asyncio.to_thread(self._queue.decode, delivery)
                await self._service.apply(batch)
            except NewerReleaseError:
                await self._handed_back.note(delivery.message_id, key)
                raise
