"""The workers: one streams complete files to the orchestrator, one removes abandoned uploads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from opentelemetry.trace import SpanKind

from ingestor.access import scope
from ingestor.access.authenticator import Remembered
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import (
    AbortedError,
    ResourceExhaustedError,
    ServiceError,
    TransientError,
    UnavailableError,
)
from ingestor.runtime.fail_points import fail_point
from ingestor.runtime.observability import spans
from ingestor.runtime.retry import backoff
from ingestor.runtime.workers import pause, repeat
from ingestor.services.upload.ports import (
    Converter,
    ConverterCrashedError,
    Deliveries,
    Ingestion,
    IngestionPausedError,
    PipelineReading,
    Pipelines,
    Processes,
    Uploads,
)
from ingestor.services.upload.uploads import Content, Delivery
from ingestor.stores.keys import text_key
from ingestor.stores.port import FileMissingError, FileStore, StoreFullError
from ingestor.tabular.errors import UnreadableFileError

log = structlog.get_logger(__name__)

_CONVERSIONS = 2  # of a file whose converter is killed each time
_ATTEMPTS = 5  # that may fail for a reason that is neither the network's nor the store's
_PAUSED_SECONDS = 10.0  # at most, between two looks whether a paused process has been resumed
_WANTED_SECONDS = 1.0  # between two questions whether a file that is converted is still wanted
_CLEAN_SECONDS = 3600.0
_LOOK_SECONDS = 2.0  # to find deliveries that other instances added or that are due again
_READING_SECONDS = 60.0  # a version of a pipeline does not change


# What passes by itself, or when an operator does something.
_PASSING = (
    TransientError, FileMissingError, StoreFullError, AbortedError, UnavailableError, ResourceExhaustedError,
)  # fmt: skip


class _UnwantedError(Exception):
    """The process has ended."""


class _NoPlaceError(Exception):
    """The file needs a conversion, and there is no place for one now."""


class DeliveryWorker:
    """Leases deliveries and streams each file from the offset that the orchestrator asks for. A delivery that
    is interrupted is repeated later, without limit; one that fails for another reason ends after some
    attempts.

    Files that need a conversion have as many places as the others, and none of theirs."""

    name = "deliveries"

    def __init__(
        self,
        deliveries: Deliveries,
        ingestion: Ingestion,
        converter: Converter,
        pipelines: Pipelines,
        store: FileStore,
        processes: Processes,
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
        self._processes = processes
        self._clock = clock
        self._owner = owner
        self._at_once = at_once
        self._lease = timedelta(seconds=lease_seconds)
        self._news = new_delivery
        self._running: set[asyncio.Task[None]] = set()
        self._converting: dict[str, str] = {}  # tenants by the processes whose files are converted
        self._conversions_at = 0.0  # when to look for conversions next, on the monotonic clock
        self._readings = Remembered[tuple[str, str, int], PipelineReading](_READING_SECONDS, time.monotonic)

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
        # A new file is taken as one that needs no conversion: it turns out then whether that is so.
        looks_for_conversions = time.monotonic() >= self._conversions_at
        if looks_for_conversions:
            self._conversions_at = time.monotonic() + _LOOK_SECONDS
        for converts in (False, True) if looks_for_conversions else (False,):
            while (of_idle := self._places(self._count(converts))) is not None:
                now = self._clock.now()
                try:
                    delivery = await self._deliveries.take(
                        self._owner, now, now + self._lease, converts=converts, of_idle=of_idle
                    )
                except TransientError as error:
                    log.warning("cannot take deliveries", error=str(error))
                    return
                if delivery is None:
                    break
                if converts:
                    self._converting[delivery.process_id] = delivery.upload.tenant
                task = asyncio.create_task(self._deliver(delivery, converts=converts))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def _count(self, converts: bool) -> int:
        converting = len(self._converting)
        return converting if converts else len(self._running) - converting

    def _places(self, running: int) -> bool | None:
        """Whether the next place is for a tenant that has none only; None without a place."""
        # The last place is for a tenant that has none, so that large files of one do not keep others waiting;
        # for more such tenants there are as many places again.
        if running >= 2 * self._at_once:
            return None
        return running >= max(1, self._at_once - 1)

    def _may_convert(self, tenant: str) -> bool:
        """Whether there is a place for a conversion of this tenant."""
        of_idle = self._places(self._count(True))
        return of_idle is not None and not (of_idle and tenant in self._converting.values())

    async def _deliver(self, delivery: Delivery, *, converts: bool) -> None:
        """Deliver one file; `converts`: it has a place for a conversion. Raises only when cancelled."""
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
            sending = asyncio.create_task(self._send(delivery, converts=converts))
            try:
                await asyncio.wait([sending, holding], return_when=asyncio.FIRST_COMPLETED)
                if not sending.done():
                    log.warning("lease lost")
                    return
                await sending
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            fail_point("file.delivered")
            await self._deliveries.done(delivery.process_id, self._owner, self._clock.now())
            log.info("delivered", attempts=delivery.attempts)
        except asyncio.CancelledError as error:
            spans.fail(delivering, error)
            await asyncio.shield(self._give_back(delivery, timedelta(0)))
            raise
        except _NoPlaceError:
            await self._give_back(delivery, timedelta(0))
        except IngestionPausedError:
            # So that a paused process holds no place.
            log.info("paused, delivered later")
            looks = backoff(delivery.attempts, first=1, longest=_PAUSED_SECONDS)
            await self._give_back(delivery, timedelta(seconds=looks))
        except _PASSING as error:
            spans.fail(delivering, error)
            log.warning("delivery interrupted", error=str(error), again_in=wait.total_seconds())
            await self._give_back(delivery, wait)
        except Exception as error:
            spans.fail(delivering, error)
            log.error("delivery failed", again_in=wait.total_seconds(), exc_info=error)
            await self._failed(delivery, error, wait)
        finally:
            self._free_conversion(delivery)
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
            delivering.end()

    async def _labels(self, delivery: Delivery) -> tuple[str, ...]:
        """The labels that the pipeline reads, which help to find the header."""
        if not delivery.pipeline or delivery.repair:
            return ()
        name, version = delivery.pipeline, delivery.pipeline_version
        reading = await self._readings.get(
            (delivery.upload.tenant, name, version), lambda: self._pipelines.find(name, version)
        )
        return reading.labels

    async def _failed(self, delivery: Delivery, error: Exception, wait: timedelta) -> None:
        """Try again later, or give the delivery up."""
        crashed = isinstance(error, ConverterCrashedError)
        attempts = delivery.failures + 1
        if attempts >= (_CONVERSIONS if crashed else _ATTEMPTS):
            reason = "DELIVERY_FAILED"
            message = (
                f"The file could not be read or passed on in {attempts} attempts, for a reason that the log "
                "of the upload service tells."
            )
            if crashed:
                reason = "FILE_UNREADABLE"
                message = (
                    f"The program that reads the file was killed in {attempts} attempts: "
                    "the machine lacks memory or disk space for it."
                )
            try:
                await self._ingestion.refuse(delivery, reason, message)
                await self._deliveries.done(delivery.process_id, self._owner, self._clock.now())
                return
            except (TransientError, ServiceError) as refused:
                log.warning("cannot give the delivery up yet", error=str(refused))
        await self._give_back(delivery, wait, failed=True)

    async def _send(self, delivery: Delivery, *, converts: bool) -> None:
        try:
            if delivery.content is None:
                content = await self._content(delivery, converts=converts)
                await self._deliveries.keep_content(delivery.process_id, self._owner, content)
                delivery = replace(delivery, content=content)
        except UnreadableFileError as error:
            log.info("file unreadable", reason=error.reason)
            await self._ingestion.refuse(delivery, error.reason, error.message)
            return
        except _UnwantedError:
            log.info("conversion ended: the process has ended")
            await self._store.delete(text_key(delivery.upload.file_key))
            return
        offset = await self._ingestion.begin(delivery)
        if offset is not None:
            await self._ingestion.send(delivery.process_id, self._pieces(delivery, offset))

    async def _content(self, delivery: Delivery, *, converts: bool) -> Content:
        """What the orchestrator is to read. Raises what a Converter raises, _NoPlaceError, _UnwantedError."""
        upload, dialect = delivery.upload, delivery.dialect
        repaired = delivery.repair.table if delivery.repair else None
        labels = await self._labels(delivery)
        tenant = upload.tenant
        if not converts:
            found = None if repaired else await self._converter.as_is(upload, dialect, labels)
            if found is not None:
                return found
            await self._deliveries.needs_conversion(delivery.process_id, self._owner)
            if not self._may_convert(tenant):
                raise _NoPlaceError
            self._converting[delivery.process_id] = tenant
        try:
            self._news.set()  # a place for a file as it is has become free
            with spans.span("convert"):
                return await self._while_wanted(
                    delivery, self._converter.convert(upload, dialect, repaired, labels)
                )
        finally:
            self._free_conversion(delivery)

    def _free_conversion(self, delivery: Delivery) -> None:
        if self._converting.pop(delivery.process_id, None) is not None:
            self._conversions_at = 0.0  # its place is for the next one

    async def _while_wanted(self, delivery: Delivery, converting: Coroutine[Any, Any, Content]) -> Content:
        """What a conversion makes; ends it as soon as the process has ended, and raises _UnwantedError."""
        task = asyncio.create_task(converting)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_WANTED_SECONDS)
                try:
                    if not task.done() and await self._processes.has_ended(delivery.process_id):
                        raise _UnwantedError
                except (TransientError, ServiceError) as error:
                    log.debug("cannot ask for the process", error=str(error))
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

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

    async def _give_back(self, delivery: Delivery, wait: timedelta, *, failed: bool = False) -> None:
        try:
            due = self._clock.now() + wait
            await self._deliveries.give_back(delivery.process_id, self._owner, due, failed=failed)
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
