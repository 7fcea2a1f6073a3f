"""The worker that dispatches retries, whose batches are all recorded when they are made."""

from __future__ import annotations

import asyncio

import structlog

from ingestor.access.scope import within
from ingestor.runtime.errors import AbortedError, ServiceError, TransientError
from ingestor.runtime.observability import spans
from ingestor.runtime.workers import repeat
from ingestor.services.orchestrator.dispatch.flight import StoppedError
from ingestor.services.orchestrator.ingestions import Ingestion, IngestionState
from ingestor.services.orchestrator.ports import BusyError, Ingestions, Limits, Status
from ingestor.services.orchestrator.service import OrchestratorService
from ingestor.stores.port import FileMissingError

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 2.0  # to find retries whose dispatcher has died
_AT_ONCE = 100


class RetryWorker:
    """Sends the batches of open retries, one retry at a time. Records what it has sent, so a crash loses
    nothing."""

    name = "retries"

    def __init__(self, ingestions: Ingestions, status: Status, service: OrchestratorService) -> None:
        self._ingestions = ingestions
        self._status = status
        self._service = service
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Look for new retries now."""
        self._news.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Dispatch until `stopping` is set."""
        await repeat(
            self.dispatch_all, stopping, every=_LOOK_SECONDS, failure="cannot dispatch retries",
            wake=(self._news,),
        )  # fmt: skip

    async def dispatch_all(self) -> None:
        """Dispatch every open retry that no other instance dispatches."""
        for retry in await self._ingestions.open_retries(_AT_ONCE):
            process_id = retry.file.process_id
            structlog.contextvars.clear_contextvars()
            structlog.contextvars.bind_contextvars(process_id=process_id, tenant=retry.file.tenant)
            try:
                with within(retry.file.tenant):
                    async with self._ingestions.hold(process_id):
                        await self._dispatch(process_id)
            except (BusyError, AbortedError):  # another instance has it, or it has been paused
                continue
            except (TransientError, ServiceError) as error:
                log.warning("cannot dispatch the retry", error=str(error))

    async def _dispatch(self, process_id: str) -> None:
        retry = await self._ingestions.get(process_id)  # again, now that nobody else can change it
        if retry is None or retry.state is not IngestionState.OPEN or retry.paused:
            return
        facts = {"ingestor.process_id": process_id, "ingestor.tenant": retry.file.tenant}
        try:
            with spans.root("retry rows", facts):
                await self._send(retry)
            await self._ingestions.finish(process_id, IngestionState.DISPATCHED)
        except FileMissingError:
            log.warning("stored file missing")
            message = "The stored file of the repaired process does not exist any more."
            await self._service.until_done(
                "status", lambda: self._status.failed(process_id, "FILE_GONE", message)
            )
            await self._ingestions.finish(process_id, IngestionState.STOPPED)
        except StoppedError:
            log.info("stopped")
            await self._ingestions.finish(process_id, IngestionState.STOPPED)

    async def _send(self, retry: Ingestion) -> None:
        service, process_id = self._service, retry.file.process_id
        assert retry.layout is not None and retry.content is not None, "a retry has a layout and content"
        columns, content = retry.layout.columns, retry.content
        await service.until_done("status", lambda: self._status.started(retry.file))
        await service.until_done(
            "status", lambda: self._status.header_read(process_id, columns, content, Limits())
        )
        unsent = await self._ingestions.unsent(process_id)
        before = unsent[0].number - 1 if unsent else 0
        async with service.flight(retry.file, before) as flight:
            for batch in unsent:
                with spans.counted(batch.number):
                    await flight.turn()
                    await service.obey(process_id, await self._ingestions.flags(process_id), flight.window)
                    flight.sent()
                    await service.announce(process_id, batch, flight)
                    await service.send_again(retry, batch, "retry")
        batches = await self._ingestions.batches(process_id)
        rows = sum(batch.row_count for batch in batches)
        await service.until_done("status", lambda: self._status.finished(process_id, rows, len(batches)))
        log.info("dispatched", rows=rows, batches=len(batches))
