"""The handle of a process, asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Self

import grpc

from ingestor.client.errors import DeadlineExceededError, NotFoundError, UnavailableError, from_rpc
from ingestor.client.fields import ProcessFields
from ingestor.client.gateway import LONG_SECONDS, Gateway
from ingestor.client.models import Batch, ErrorGroup, Event, Report, Row, UndoCounts
from ingestor.client.reports import ReportFormat, ReportRows, Target, save_report
from ingestor.client.sources import Source
from ingestor.client.upload import Dialect, OnProgress, send
from ingestor.client.verification.verify import OnVerified, Verification, save, verify
from ingestor.v1 import common_pb2, orchestrator_pb2, processor_pb2, status_pb2

_FIRST_LOOK_SECONDS = 30.0


class AsyncProcess(ProcessFields):
    """A process, as it was at the last look, and what can be done with it.

    Every method may raise IngestorError: NotFoundError (PROCESS_DELETED: the process was deleted),
    UnavailableError, DeadlineExceededError; further ones are named where they occur. `timeout` is in
    seconds; None: the client's.
    """

    def __init__(self, gateway: Gateway, raw: status_pb2.Process) -> None:
        self._gateway = gateway
        self._raw = raw

    @property
    def raw(self) -> status_pb2.Process:
        """The message of the last look."""
        return self._raw

    # -- looking -----------------------------------------------------------------------------------

    async def refresh(self, timeout: float | None = None) -> Self:
        """Look again; itself."""
        request = status_pb2.GetProcessRequest(process_id=self.id)
        self._raw = (await self._gateway.call(self._gateway.status.GetProcess, request, timeout)).process
        return self

    async def watch(self, timeout: float | None = None) -> AsyncIterator[Self]:
        """Itself now and after every change (at most ten times a second) until it has ended.

        A lost connection is reopened, also one that ended with its token. `timeout` covers all of it; None:
        no limit. The process goes on when DeadlineExceededError is raised.
        """
        gateway, loop = self._gateway, asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        request = status_pb2.WatchProcessRequest(process_id=self.id, min_interval_ms=100)
        pauses = gateway.pauses()
        while True:
            left = None if end is None else max(0.0, end - loop.time())
            call = gateway.status.WatchProcess(request, timeout=left)
            try:
                async for answer in call:
                    pauses.progress()
                    self._raw = answer.process
                    yield self
                    if self.state.ended:
                        return
                await pauses.pause()
            except grpc.aio.AioRpcError as error:
                known = from_rpc(error)
                if timeout is not None and known.code == DeadlineExceededError.code:
                    raise DeadlineExceededError(
                        f"the process {self.id} is {self.state} after {timeout:g} s and still running"
                    ) from None
                # Right after its upload the status service may not have heard of it yet.
                early = known.reason == "PROCESS_NOT_FOUND"
                if not await (pauses.pause() if early else gateway.again(known, pauses)):
                    raise known from None
            finally:
                call.cancel()  # the caller may have left early

    async def wait(
        self, progress: Callable[[AsyncProcess], None] | None = None, timeout: float | None = None
    ) -> Self:
        """Wait until it has ended; itself. `progress` is called now and after every change.

        A process that ends FAILED raises nothing: `state` and `failure` say so. Raises
        DeadlineExceededError after `timeout` seconds (None: never); the process goes on.
        """
        async with aclosing(self.watch(timeout)) as looks:  # type: ignore[type-var]
            async for process in looks:
                if progress:
                    progress(process)
        return self

    def rows(
        self,
        filter: str = "",
        limit: int | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Row]:
        """Rows by number, at most `limit`; fetched in pages, each within `timeout`.

        `filter` joins comparisons of status, code, field, row and line by AND, such as
        `status=FAILED AND code="type-error" AND row>=100`. Raises InvalidArgumentError (INVALID_FILTER)
        and FailedPreconditionError (RECORDS_EXPIRED).
        """

        async def fetch(size: int, token: str) -> tuple[list[Row], str]:
            request = status_pb2.ListRowsRequest(
                process_id=self.id, filter=filter, page_size=size, page_token=token
            )
            answer = await self._gateway.call(self._gateway.status.ListRows, request, timeout)
            return [Row.of(row) for row in answer.rows], answer.next_page_token

        return self._gateway.pages(fetch, limit)

    async def row(self, number: int, timeout: float | None = None) -> Row:
        """Row `number`, from 1, with its history. Raises NotFoundError (ROW_NOT_FOUND)."""
        request = status_pb2.GetRowRequest(process_id=self.id, row_number=number)
        return Row.of((await self._gateway.call(self._gateway.status.GetRow, request, timeout)).row)

    async def errors(self, timeout: float | None = None) -> list[ErrorGroup]:
        """Errors counted by code and field, most frequent first."""
        request = status_pb2.SummarizeErrorsRequest(process_id=self.id)
        answer = await self._gateway.call(self._gateway.status.SummarizeErrors, request, timeout)
        return [ErrorGroup.of(group) for group in answer.groups]

    def events(self, timeout: float | None = None) -> AsyncIterator[Event]:
        """What has happened to it so far, oldest first; fetched in pages, each within `timeout`."""

        async def fetch(size: int, token: str) -> tuple[list[Event], str]:
            request = status_pb2.ListEventsRequest(process_id=self.id, page_size=size, page_token=token)
            answer = await self._gateway.call(self._gateway.status.ListEvents, request, timeout)
            return [Event.of(event) for event in answer.events], answer.next_page_token

        return self._gateway.pages(fetch)

    def batches(self, timeout: float | None = None) -> AsyncIterator[Batch]:
        """Its batches by number; fetched in pages, each within `timeout`."""

        async def fetch(size: int, token: str) -> tuple[list[Batch], str]:
            request = status_pb2.ListBatchesRequest(process_id=self.id, page_size=size, page_token=token)
            answer = await self._gateway.call(self._gateway.status.ListBatches, request, timeout)
            return [Batch.of(batch) for batch in answer.batches], answer.next_page_token

        return self._gateway.pages(fetch)

    async def report(
        self,
        target: Target,
        format: ReportFormat | None = None,
        rows: ReportRows = "rejected",
        timeout: float | None = None,
    ) -> Report:
        """Write rows with their cells and errors to a path or a binary file, however many there are.

        `format` None: what the path's extension says, else csv. A path appears once the report is
        complete. `timeout` None: no limit. Raises OSError; FailedPreconditionError (RECORDS_EXPIRED);
        InvalidArgumentError (TOO_MANY_COLUMNS: of xlsx).
        """
        return await save_report(self._gateway, self.id, target, format, rows, timeout)

    async def verify(
        self,
        target: Target | None = None,
        sample: int = 0,
        progress: OnVerified | None = None,
        timeout: float | None = None,
    ) -> Verification:
        """Whether the stored file, the ledger and the rows in the table agree, row by row; with `sample` of
        so many rows drawn at random. Writes the receipt to a path or a binary file, if one is given.
        `timeout` None: no limit. Raises OSError; FailedPreconditionError (PROCESS_RUNNING, PROCESS_CHANGED);
        ResourceExhaustedError (TOO_MANY_VERIFICATIONS)."""
        found = await verify(self._gateway, self.id, sample, progress, timeout)
        if target is not None:
            save(found, target)
        return found

    # -- acting ------------------------------------------------------------------------------------

    async def repair(
        self,
        source: Source,
        file_name: str | None = None,
        resume: str | None = None,
        on_upload: OnProgress | None = None,
        dialect: Dialect | None = None,
        timeout: float | None = None,
    ) -> AsyncProcess:
        """Send its report back, corrected: rows that failed here are loaded from it, with the same
        pipeline. The process that does so. Arguments and errors as of AsyncClient.ingest; raises
        FailedPreconditionError when this process has no rows to repair or its records expired."""
        info = await send(
            self._gateway, source, dialect=dialect, file_name=file_name, resume=resume,
            on_upload=on_upload, repairs=self.id, timeout=timeout,
        )  # fmt: skip
        return await first_look(self._gateway, info)

    async def retry(self, timeout: float | None = None) -> AsyncProcess:
        """Run failed rows again, from the stored file, whose reason may have passed; the process that
        does so. Raises FailedPreconditionError when there are none. `timeout` None: 15 minutes."""
        request = orchestrator_pb2.RetryRowsRequest(process_id=self.id)
        call = self._gateway.orchestrator.RetryRows
        answer = await self._gateway.call(call, request, timeout, LONG_SECONDS)
        return await first_look(self._gateway, common_pb2.ProcessInfo(process_id=answer.process_id))

    async def pause(self, timeout: float | None = None) -> Self:
        """Hold dispatching; batches in the queue are still loaded. Itself, in its new state. Raises
        FailedPreconditionError when its state does not allow it."""
        request = orchestrator_pb2.PauseProcessRequest(process_id=self.id)
        answer = await self._gateway.call(self._gateway.orchestrator.PauseProcess, request, timeout)
        return self._now(answer.state)

    async def resume(self, timeout: float | None = None) -> Self:
        """Go on after a pause. Itself, in its new state. Raises FailedPreconditionError."""
        request = orchestrator_pb2.ResumeProcessRequest(process_id=self.id)
        answer = await self._gateway.call(self._gateway.orchestrator.ResumeProcess, request, timeout)
        return self._now(answer.state)

    async def cancel(self, timeout: float | None = None) -> Self:
        """Stop it for good; loaded rows stay. Itself, in its new state. Raises
        FailedPreconditionError when it has ended."""
        request = orchestrator_pb2.CancelProcessRequest(process_id=self.id)
        answer = await self._gateway.call(self._gateway.orchestrator.CancelProcess, request, timeout)
        return self._now(answer.state)

    async def undo(self, dry_run: bool = False, timeout: float | None = None) -> UndoCounts:
        """Take the rows that it has loaded out of the sink again, and its repairs' too; with `dry_run`
        only count them. Raises FailedPreconditionError (PROCESS_RUNNING, UNDO_IMPOSSIBLE, REPAIR).
        `timeout` None: 15 minutes."""
        request = processor_pb2.UndoProcessRequest(process_id=self.id, dry_run=dry_run)
        call = self._gateway.processor.UndoProcess
        answer = await self._gateway.call(call, request, timeout, LONG_SECONDS)
        if not dry_run:
            await self.refresh(timeout)
        return UndoCounts.of(answer)

    async def delete(self, timeout: float | None = None) -> None:
        """Remove it: its file, its records, its repairs. Loaded rows stay. Raises
        FailedPreconditionError (PROCESS_RUNNING)."""
        request = status_pb2.DeleteProcessRequest(process_id=self.id)
        await self._gateway.call(self._gateway.status.DeleteProcess, request, timeout)

    def _now(self, state: common_pb2.ProcessState.ValueType) -> Self:
        self._raw.state = state
        return self


async def first_look(gateway: Gateway, info: common_pb2.ProcessInfo) -> AsyncProcess:
    """A process that has just begun, as soon as the status service knows it. If that takes long, or the
    service is away, it is PENDING and has nothing but `info`: it has begun all the same."""
    raw = status_pb2.Process(info=info, state=common_pb2.PROCESS_STATE_PENDING)
    process = AsyncProcess(gateway, raw)
    try:
        async with (
            asyncio.timeout(_FIRST_LOOK_SECONDS),
            aclosing(process.watch()) as looks,  # type: ignore[type-var]
        ):
            async for _ in looks:
                break
    except (TimeoutError, UnavailableError):
        pass
    except NotFoundError as error:
        if error.reason != "PROCESS_NOT_FOUND":
            raise
    return process
