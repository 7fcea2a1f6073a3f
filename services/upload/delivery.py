"""The workers: one streams complete files to the orchestrator, one removes abandoned uploads."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import structlog
from opentelemetry.trace import SpanKind

from ingestor.access import scope
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import ServiceError, TransientError
from ingestor.runtime.observability import spans
from ingestor.runtime.retry import backoff
from ingestor.runtime.workers import pause, repeat
from ingestor.services.upload.ports import (
    Converter,
    ConverterCrashedError,
    Deliveries,
    Ingestion,
    Pipelines,
    Uploads,
)
from ingestor.services.upload.uploads import Delivery
from ingestor.stores.port import FileMissingError, FileStore
from ingestor.tabular.errors import UnreadableFileError

log = structlog.get_logger(__name__)

_CONVERSIONS = 2  # of a file whose converter is killed each time
_CLEAN_SECONDS = 3600.0
_LOOK_SECONDS = 2.0  # to find deliveries that other instances added or that are due again


class DeliveryWorker:
    """Leases deliveries and streams each file from the offset that the orchestrator asks for. A failed
    delivery is repeated later, without limit."""

    name = "deliveries"

    def __init__(
        self,
        deliveries: Deliveries,
        ingestion: Ingestion,
        converter: Converter,
        pipelines: Pipelines,
        store: FileStore,
        clock: Clock,
        *,
        owner: str,
        at_once: int,
        lease_seconds: float,
        new_delivery: asyncio.Event,
    ) -> None:
        """`owner` identifies this instance."""
        self._deliveries = deliveries
        self._ingestion = ingestion
        self._converter = converter
        self._pipelines = pipelines
        self._store = store
        self._clock = clock
        self._owner = owner
        self._at_once = at_once
        self._lease = timedelta(seconds=lease_seconds)
        self._news = new_delivery
        self._running: set[asyncio.Task[None]] = set()
        self._crashes = Counter[str]()  # of converters, by process

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until `stopping` is set, then release every lease."""
        try:
            while not stopping.is_set():
                self._news.clear()
                await self._start_due()
                await pause(_LOOK_SECONDS, stopping, self._news, *self._running)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _start_due(self) -> None:
        # The last place is for a tenant that has none, so that large files of one do not keep others waiting;
        # for more such tenants there are as many places again.
        while (running := len(self._running)) < 2 * self._at_once:
            now = self._clock.now()
            of_idle = running >= max(1, self._at_once - 1)
            try:
                delivery = await self._deliveries.take(self._owner, now, now + self._lease, of_idle=of_idle)
            except TransientError as error:
                log.warning("cannot take deliveries", error=str(error))
                return
            if delivery is None:
                return
            task = asyncio.create_task(self._deliver(delivery))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        """Deliver one file. Raises only when cancelled."""
        structlog.contextvars.clear_contextvars()
        scope.enter(delivery.upload.tenant)
        structlog.contextvars.bind_contextvars(process_id=delivery.process_id, tenant=delivery.upload.tenant)
        delivering = spans.begin(
            "deliver", SpanKind.INTERNAL, delivery.traceparent,
            {
                "ingestor.process_id": delivery.process_id,
                "ingestor.tenant": delivery.upload.tenant,
                "ingestor.attempt": delivery.attempts,
            },
            number=delivery.attempts,
        )  # fmt: skip
        holding = asyncio.create_task(self._hold(delivery))
        wait = timedelta(seconds=backoff(delivery.attempts, first=0.5, longest=30))
        try:
            sending = asyncio.create_task(self._send(delivery))
            try:
                await asyncio.wait([sending, holding], return_when=asyncio.FIRST_COMPLETED)
                if not sending.done():
                    log.warning("lease lost")
                    return
                await sending
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            await self._deliveries.done(delivery.process_id, self._owner, self._clock.now())
            log.info("delivered", attempts=delivery.attempts)
        except asyncio.CancelledError as error:
            spans.fail(delivering, error)
            await asyncio.shield(self._give_back(delivery, timedelta(0)))
            raise
        except (TransientError, ServiceError) as error:
            spans.fail(delivering, error)
            log.warning("delivery interrupted", error=str(error), again_in=wait.total_seconds())
            await self._give_back(delivery, wait)
        except Exception as error:
            spans.fail(delivering, error)
            log.error("delivery failed", again_in=wait.total_seconds(), exc_info=error)
            await self._give_back(delivery, wait)
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
            delivering.end()

    async def _labels(self, delivery: Delivery) -> tuple[str, ...]:
        """The labels that the pipeline reads, which help to find the header."""
        if not delivery.pipeline or delivery.repair:
            return ()
        return (await self._pipelines.find(delivery.pipeline, delivery.pipeline_version)).labels

    async def _send(self, delivery: Delivery) -> None:
        if delivery.content is None:
            try:
                repaired = delivery.repair.table if delivery.repair else None
                labels = await self._labels(delivery)
                with spans.span("convert"):
                    content = await self._converter.convert(
                        delivery.upload, delivery.dialect, repaired, labels
                    )
            except UnreadableFileError as error:
                log.info("file unreadable", reason=error.reason)
                await self._ingestion.refuse(delivery, error.reason, error.message)
                return
            except ConverterCrashedError:
                # Not the attempts of the delivery: most of those fail because something is away.
                self._crashes[delivery.process_id] += 1
                if (crashes := self._crashes[delivery.process_id]) < _CONVERSIONS:
                    raise
                del self._crashes[delivery.process_id]
                log.error("cannot convert the file", crashes=crashes)
                message = (
                    f"The program that reads the file was killed in {crashes} attempts: "
                    "the machine lacks memory or disk space for it."
                )
                await self._ingestion.refuse(delivery, "FILE_UNREADABLE", message)
                return
            self._crashes.pop(delivery.process_id, None)
            await self._deliveries.keep_content(delivery.process_id, self._owner, content)
            delivery = replace(delivery, content=content)
        offset = await self._ingestion.begin(delivery)
        if offset is not None:
            await self._ingestion.send(delivery.process_id, self._pieces(delivery, offset))

    async def _pieces(self, delivery: Delivery, offset: int) -> AsyncIterator[tuple[int, bytes, bool]]:
        """The content from `offset` on, as (offset, data, last); the last piece may be empty."""
        assert delivery.content is not None
        key, size = delivery.content.file_key, delivery.content.size
        if offset >= size:
            yield size, b"", True
            return
        async for data in self._store.read(key, offset, size):
            end = offset + len(data)
            yield offset, data, end == size
            offset = end
        if offset != size:
            raise FileMissingError(f"{key} ends at {offset} of {size} bytes")

    async def _hold(self, delivery: Delivery) -> None:
        """Renew the lease; returns when it is lost."""
        last = self._clock.now()
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            now = self._clock.now()
            try:
                if not await self._deliveries.renew(delivery.process_id, self._owner, now + self._lease):
                    return
                last = now
            except TransientError as error:
                log.warning("cannot renew the lease", error=str(error))
                if now - last > self._lease:
                    return

    async def _give_back(self, delivery: Delivery, wait: timedelta) -> None:
        try:
            due = self._clock.now() + wait
            await self._deliveries.give_back(delivery.process_id, self._owner, due)
        except TransientError as error:
            log.warning("cannot release the lease; it will expire", error=str(error))


class Cleaner:
    """Removes abandoned uploads."""

    name = "cleaner"

    def __init__(self, uploads: Uploads, store: FileStore, clock: Clock, age: timedelta) -> None:
        self._uploads = uploads
        self._store = store
        self._clock = clock
        self._age = age

    async def run(self, stopping: asyncio.Event) -> None:
        """Clean every hour until `stopping` is set."""
        await repeat(
            self.clean, stopping, every=_CLEAN_SECONDS, failure="cannot remove abandoned uploads",
            expected=(TransientError, OSError),
        )  # fmt: skip

    async def clean(self) -> int:
        """Remove abandoned uploads; return how many."""
        count = 0
        for upload in await self._uploads.abandoned(self._clock.now() - self._age, 1000):
            with scope.within(upload.tenant):
                if await self._uploads.abort(upload.upload_id):
                    await self._store.delete(upload.file_key)
                    count += 1
        if count:
            log.info("abandoned uploads removed", count=count)
        return count
