"""The use cases of the orchestrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from ingestor.access.limits.quotas import QuotaExceededError, Quotas
from ingestor.pipeline_documents import read_stored
from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.notations import fields_with_notation
from ingestor.reports import NUMBER_LABEL
from ingestor.runtime.errors import (
    AbortedError,
    FailedPreconditionError,
    NotFoundError,
    TransientError,
    UnavailableError,
)
from ingestor.runtime.observability import spans
from ingestor.runtime.observability.stage_cpu import StageCpu
from ingestor.runtime.retry import Retries
from ingestor.services.orchestrator.dispatch.flight import Flight, StoppedError, paused_error
from ingestor.services.orchestrator.dispatch.stream import Chunk, FileStream
from ingestor.services.orchestrator.dispatch.window import Window, Windows
from ingestor.services.orchestrator.ingestions import (
    Batch,
    Content,
    FileInfo,
    Ingestion,
    IngestionState,
    Layout,
    Position,
    position_after,
)
from ingestor.services.orchestrator.pipelines import PipelineService
from ingestor.services.orchestrator.ports import (
    BusyError,
    Depth,
    Flags,
    Ingestions,
    Limits,
    Message,
    Packed,
    Progress,
    Queues,
    RowQueue,
    Status,
    TooLargeError,
)
from ingestor.stores.port import FileReader
from ingestor.tabular.options import ReadOptions, parse_options
from ingestor.tabular.records.header import HeaderError
from ingestor.tabular.records.layout import TableHead, read_table_head
from ingestor.tabular.records.slices import RecordDelimiter, Slice, bytes_to_read, split
from ingestor.tabular.records.syntax import Dialect

log = structlog.get_logger(__name__)
T = TypeVar("T")
MessageOf = Callable[[Batch], Message]

_SAMPLE = 64 * 1024  # bytes needed to detect the delimiter
_BATCH_ROWS = 25_000  # at most, so that a batch does not keep a processor for long
_BATCH_CELLS = 10_000_000  # at most: a row may be much shorter in the file than with all fields that it lacks
_PAUSE_POLL = 0.5  # seconds
_PAUSE_HELD = 2.0  # seconds that a stream waits for its process to be resumed, before it ends


@dataclass(frozen=True, slots=True)
class Result:
    """How a stream ended."""

    state: IngestionState
    rows: int
    batches: int


class Metrics:
    """What the orchestrator counts for Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        registry.register(StageCpu())
        self.bytes = Counter("ingestor_bytes_read_total", "Bytes of files read.", registry=registry)
        self.batches = Counter("ingestor_batches_sent_total", "Batches sent.", ["why"], registry=registry)
        self.paused = Counter(
            "ingestor_quota_pauses_total", "Processes that a quota of their tenant has paused.", ["quota"],
            registry=registry,
        )  # fmt: skip
        for why in ("first", "retry", "lost", "after crash"):
            self.batches.labels(why)
        self.in_flight = Gauge(
            "ingestor_batches_in_flight", "Batches of files being read that have no outcome yet.",
            registry=registry,
        )  # fmt: skip
        self.streams = Gauge("ingestor_streams_open", "Files that are being read.", registry=registry)
        self.retries = Retries(registry)


class _UnusableError(Exception):
    """The file cannot be ingested, for a reason that clients see."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class OrchestratorService:
    """The use cases. Also the worker that ends open streams."""

    name = "streams"

    def __init__(
        self,
        ingestions: Ingestions,
        queue: RowQueue,
        status: Status,
        pipelines: PipelineService,
        files: FileReader,
        metrics: Metrics,
        quotas: Quotas,
        *,
        windows: Windows,
        slice_bytes: int,
        queues: Queues,
    ) -> None:
        self._ingestions = ingestions
        self._queue = queue
        self._status = status
        self._pipelines = pipelines
        self._files = files
        self._metrics = metrics
        self._queues = queues
        self._quotas = quotas
        self.windows = windows
        self._slice_bytes = slice_bytes
        self._stopping = False
        self._followed: set[asyncio.Task[None]] = set()
        self.lost = asyncio.Event()
        """Set when batches are to be sent again at once."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Wait until the service stops, then end the open streams."""
        await stopping.wait()
        self.stop()
        await asyncio.gather(*self._followed, return_exceptions=True)

    def stop(self) -> None:
        """End open streams at their next piece; recorded batches are kept."""
        self._stopping = True
        self.windows.tell()
        for task in self._followed:
            task.cancel()

    async def begin(self, file: FileInfo, content: Content | None) -> tuple[IngestionState, int]:
        """Announce a file. Returns the state and the offset from which to send the content. Idempotent.
        Raises AbortedError (INGESTION_PAUSED) while the process is paused and its content known."""
        ingestion = await self._ingestions.add(file)
        paused = False
        if ingestion.state in (IngestionState.ANNOUNCED, IngestionState.OPEN):
            progress = await self._start(file)
            if progress is None:
                return IngestionState.STOPPED, 0
            paused = progress.state == "PAUSED"
        if content is not None and ingestion.state is IngestionState.ANNOUNCED:
            opened = await self._ingestions.set_content(file.process_id, content)
            ingestion = opened or await self._get(file.process_id)
        if paused and ingestion.state is IngestionState.OPEN:
            raise paused_error()
        return ingestion.state, (await self._position(ingestion)).offset

    async def _start(self, file: FileInfo) -> Progress | None:
        """Announce the process to status. When it has been removed, remove the ingestion and return None."""
        try:
            return await self._status.started(file)
        except (NotFoundError, FailedPreconditionError) as error:
            if error.reason not in ("PROCESS_DELETED", "RECORDS_EXPIRED"):
                raise
            log.info("process has been removed", process_id=file.process_id)
            await self._ingestions.remove(file.process_id)
            return None

    async def refuse(self, file: FileInfo, reason: str, message: str) -> IngestionState:
        """Fail the process of a file that cannot be read. Idempotent."""
        await self._ingestions.add(file)
        if await self._start(file) is None:
            return IngestionState.STOPPED
        try:
            await self._status.failed(file.process_id, reason, message)
        except FailedPreconditionError:
            log.info("process has already ended", process_id=file.process_id)
        await self._ingestions.finish(file.process_id, IngestionState.STOPPED)
        return IngestionState.STOPPED

    async def _position(self, ingestion: Ingestion) -> Position:
        """Behind the last recorded batch."""
        if ingestion.layout is None:  # batches are recorded after the header
            return position_after(None, None)
        return position_after(ingestion.layout, await self._ingestions.last_batch(ingestion.file.process_id))

    async def ingest(self, process_id: str, chunks: AsyncIterator[Chunk]) -> Result:
        """Read a file from its resume offset; record, compress and send its batches. Returns when all batches
        are in the queue, the file is unusable, or the process has ended.

        Raises NotFoundError; AbortedError (INGESTION_BUSY) when another stream is open;
        FailedPreconditionError (WRONG_OFFSET) with `resume_offset`; UnavailableError when the service
        stops. Recorded batches are kept after any error, and begin() returns where to resume.
        """
        try:
            async with self._ingestions.hold(process_id):
                ingestion = await self._get(process_id)
                spans.note(process_id=process_id, tenant=ingestion.file.tenant)
                if ingestion.state is IngestionState.ANNOUNCED:
                    raise FailedPreconditionError(
                        "CONTENT_UNKNOWN",
                        "The content of the file is not announced yet; call BeginIngestion with it.",
                    )
                if ingestion.state is not IngestionState.OPEN:
                    return await self._result(ingestion)
                return await self._ingest(ingestion, chunks)
        except BusyError as error:
            raise AbortedError("INGESTION_BUSY", "Another stream is sending this file.") from error

    async def _ingest(self, ingestion: Ingestion, chunks: AsyncIterator[Chunk]) -> Result:
        process_id = ingestion.file.process_id
        try:
            if ingestion.layout is not None:
                await self._send_unsent(ingestion)
            position = await self._position(ingestion)
            async with self.flight(ingestion.file, position.number - 1) as flight:
                rows, batches = await FileStream(self, ingestion, position, flight).read(chunks)
            await self.until_done("status", lambda: self._status.finished(process_id, rows, batches))
            await self._ingestions.finish(process_id, IngestionState.DISPATCHED)
            spans.note(rows=rows, batches=batches)
            log.info("dispatched", rows=rows, batches=batches)
            return Result(IngestionState.DISPATCHED, rows, batches)
        except _UnusableError as error:
            log.info("file unusable", reason=error.reason)
            reason, message = error.reason, error.message
            await self.until_done("status", lambda: self._status.failed(process_id, reason, message))
            await self._ingestions.finish(process_id, IngestionState.STOPPED)
        except StoppedError:
            log.info("stopped")
            await self._ingestions.finish(process_id, IngestionState.STOPPED)
        return await self._result(await self._get(process_id))

    async def _result(self, ingestion: Ingestion) -> Result:
        after = await self._position(ingestion)
        return Result(ingestion.state, after.row - 1, after.number - 1)

    async def _get(self, process_id: str) -> Ingestion:
        found = await self._ingestions.get(process_id)
        if found is None:
            raise NotFoundError("PROCESS_NOT_FOUND", f"Process {process_id} does not exist.")
        return found

    async def _send_unsent(self, ingestion: Ingestion) -> None:
        """Send the batches that a crash left recorded but not sent."""
        for batch in await self._ingestions.unsent(ingestion.file.process_id):
            await self.until_done(
                "status",
                lambda batch=batch: self._status.dispatched(ingestion.file.process_id, batch),  # type: ignore[misc]
            )
            with spans.counted(batch.number):
                await self.send_again(ingestion, batch, "after crash")

    async def send_again(self, ingestion: Ingestion, batch: Batch, why: str) -> None:
        """Send a recorded batch with its bytes from the stored file. Raises FileMissingError."""
        assert ingestion.layout and ingestion.content, "batches are recorded after the header"
        key = ingestion.content.file_key
        size = bytes_to_read(batch.byte_start, batch.byte_end, batch.row_count)
        pieces = self._files.read(key, batch.byte_start, batch.byte_start + size)
        data = b"".join([piece async for piece in pieces])
        typed = await self.has_typed_cells(ingestion)
        message = _message(ingestion, ingestion.layout, batch, data, typed)
        try:
            packed = await asyncio.to_thread(self._queue.pack, message)
        except TooLargeError:
            packed = await asyncio.to_thread(self._queue.pack, _claim_check(message))
        await self.send(ingestion.file.process_id, batch, packed, why)

    async def stored_batches(self, process_id: str) -> tuple[Content | None, Sequence[Batch], MessageOf]:
        """What the batches of a process are cut from, the batches, and what makes the message of one of them,
        without its bytes. Raises NotFoundError."""
        ingestion = await self._ingestions.get(process_id)
        if ingestion is None:
            raise NotFoundError("PROCESS_NOT_FOUND", f"Nothing is kept of the batches of {process_id}.")
        batches = await self._ingestions.batches(process_id)
        typed = await self.has_typed_cells(ingestion)

        def message_of(batch: Batch) -> Message:
            assert ingestion.layout, "batches are recorded after the header"
            return _claim_check(_message(ingestion, ingestion.layout, batch, b"", typed))

        return ingestion.content, batches, message_of

    async def send(self, process_id: str, batch: Batch, packed: Packed, why: str) -> None:
        """Send a batch and mark it as sent."""
        await self.until_done("rows queue", lambda: self._queue.send(packed))
        await self.until_done("database", lambda: self._ingestions.mark_sent(process_id, batch.number))
        self._metrics.batches.labels(why).inc()

    async def until_done(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call as long as it raises TransientError. Raises UnavailableError when the service
        stops."""

        async def unless_stopping() -> T:
            try:
                return await call()
            except TransientError as error:
                if self._stopping:
                    raise UnavailableError(
                        "SHUTTING_DOWN", "The orchestrator is stopping; try again shortly."
                    ) from error
                raise

        return await self._metrics.retries.until_done(what, unless_stopping)

    # -- for FileStream -------------------------------------------------------------------------------

    def check_running(self) -> None:
        """Raise UnavailableError when the service stops."""
        if self._stopping:
            raise UnavailableError("SHUTTING_DOWN", "The orchestrator is stopping; try again shortly.")

    async def layout_of(self, ingestion: Ingestion, head: bytes, *, final: bool) -> tuple[Layout, int] | None:
        """Read the header and store the layout; also how many fields a row will have. None when more bytes
        are needed. Raises _UnusableError."""
        if len(head) < _SAMPLE and not final:
            return None
        file, content = ingestion.file, ingestion.content
        assert content is not None, "an open ingestion has content"
        # The header of a repair file was checked when it was converted.
        options = ReadOptions() if file.repairs else parse_options(content.dialect)
        try:
            found = read_table_head(head, final, options, content.normal_form)
        except HeaderError as error:
            raise _UnusableError(error.reason.value, error.message) from error
        if found is None:
            return None
        if file.repairs:
            limits, labels = Limits(), (NUMBER_LABEL, *await self._columns_of(file.repairs))
            fields = await self.fields_of(file)
            if len(labels) != len(found.columns):
                raise _UnusableError("NOT_A_REPORT", "The file lacks columns of the repaired process.")
        else:
            (limits, fields), labels = await self._check_columns(file, found, options), found.columns
        layout = Layout(
            labels, found.dialect.delimiter, found.byte_end, found.line_count + 1, found.dialect.quote
        )
        await self.until_done("database", lambda: self._ingestions.set_layout(file.process_id, layout))
        if file.pipeline and not file.repairs:
            await self.until_done("pipelines", lambda: self._pipelines.loaded(file.pipeline, labels))
        columns = _repaired_columns(file, layout) or layout.columns
        await self.until_done(
            "status", lambda: self._status.header_read(file.process_id, columns, content, limits)
        )
        return layout, fields

    async def _columns_of(self, process_id: str) -> tuple[str, ...]:
        """The columns of the repaired process. Raises _UnusableError."""
        found = await self.until_done("database", lambda: self._ingestions.get(process_id))
        if found is None or found.layout is None:
            raise _UnusableError(
                "PROCESS_NOT_FOUND", f"The repaired process {process_id} does not exist any more."
            )
        return found.layout.columns

    async def has_typed_cells(self, ingestion: Ingestion) -> bool:
        """Whether the rows come from a file that keeps values typed, and a field of the pipeline has a
        notation in which they must not be read; those of a repair, whether they did first. (A processor of
        the last release cannot read such batches.)"""
        file, content = ingestion.file, ingestion.content
        if file.repairs and not file.retry:
            found = await self.until_done("database", lambda: self._ingestions.get(file.repairs))
            content = found.content if found else None
        if content is None or not parse_options(content.dialect).keeps_types:
            return False
        pipeline = await self._pipeline_of(file)
        return pipeline is not None and bool(fields_with_notation(pipeline))

    async def _check_columns(
        self, file: FileInfo, head: TableHead, options: ReadOptions
    ) -> tuple[Limits, int]:
        """Check that the file has the columns of the pipeline; return how many rows may fail, and how many
        fields a row will have. Raises _UnusableError."""
        pipeline = await self._pipeline_of(file)
        if pipeline is None:
            return Limits(), 0
        if problem := pipeline.header_problem(head.labels, head.columns, options):
            raise _UnusableError(*problem)
        policy = pipeline.policy
        return Limits(policy.max_failed, policy.max_failed_share), len(pipeline.fields)

    async def fields_of(self, file: FileInfo) -> int:
        """How many fields the rows of a file will have; 0 without a pipeline."""
        pipeline = await self._pipeline_of(file)
        return 0 if pipeline is None else len(pipeline.fields)

    async def _pipeline_of(self, file: FileInfo) -> Pipeline | None:
        if not file.pipeline:
            return None
        stored = await self.until_done(
            "pipelines", lambda: self._pipelines.get(file.pipeline, file.pipeline_version)
        )
        return await asyncio.to_thread(read_stored, stored.name, stored.version, stored.document)

    def delimiter(self, layout: Layout, position: Position, fields: int) -> RecordDelimiter:
        """A delimiter that resumes at a position of a file whose rows will have so many fields."""
        return RecordDelimiter(
            Dialect(layout.delimiter, layout.quote),
            target_slice_bytes=self._slice_bytes,
            max_slice_rows=max(1, min(_BATCH_ROWS, _BATCH_CELLS // max(1, fields))),
            start_offset=position.offset,
            first_row=position.row,
            first_line=position.line,
        )

    async def pack(
        self, ingestion: Ingestion, layout: Layout, piece: Slice, number: int, typed_cells: bool
    ) -> list[tuple[Batch, Packed]]:
        """A slice as messages: one, several when it compresses badly, or a claim check when a single record
        does not fit."""
        batch = Batch(
            number, piece.first_row, piece.row_count, piece.first_line, piece.next_line, piece.byte_start,
            piece.byte_end,
        )  # fmt: skip
        message = _message(ingestion, layout, batch, piece.data, typed_cells)
        try:
            return [(batch, await asyncio.to_thread(self._queue.pack, message))]
        except TooLargeError:
            if piece.row_count == 1:
                return [(batch, await asyncio.to_thread(self._queue.pack, _claim_check(message)))]
        first, second = await asyncio.to_thread(split, piece, Dialect(layout.delimiter, layout.quote))
        packed = await self.pack(ingestion, layout, first, number, typed_cells)
        return packed + await self.pack(ingestion, layout, second, number + len(packed), typed_cells)

    async def record(
        self, ingestion: Ingestion, batch: Batch, window: Window, finish: Callable[[], Awaitable[None]]
    ) -> None:
        """Record a batch, then wait while the ingestion is paused. When the tenant has used all of its rows
        of today, `finish` what is in flight and pause the process first. Raises StoppedError when it is no
        longer open."""
        process_id, tenant = ingestion.file.process_id, ingestion.file.tenant
        while True:
            limits = await self.until_done("database", self._quotas.limits)
            try:
                flags = await self.until_done(
                    "database",
                    lambda limits=limits: self._ingestions.record(process_id, tenant, batch, limits),  # type: ignore[misc]
                )
                break
            except QuotaExceededError as error:
                await finish()
                await self._pause_by_quota(process_id, error)
                flags = await self.until_done("database", lambda: self._ingestions.flags(process_id))
                await self.obey(process_id, flags, window)
        await self.obey(process_id, flags, window)

    async def _pause_by_quota(self, process_id: str, error: QuotaExceededError) -> None:
        """Pause a process until its tenant's quota begins anew. Raises StoppedError when it has ended."""
        log.info("process paused by a quota", quota=error.name)
        self._metrics.paused.labels(error.name).inc()
        try:
            await self.until_done("status", lambda: self._status.paused(process_id, error.message))
        except FailedPreconditionError as ended:
            raise StoppedError from ended
        await self.until_done(
            "database", lambda: self._ingestions.set_paused(process_id, True, error.reset_time)
        )

    async def obey(self, process_id: str, flags: Flags, window: Window) -> None:
        """Wait a little while the ingestion is paused. Raises StoppedError when it is no longer open,
        AbortedError (INGESTION_PAUSED) when it stays paused: its stream holds a place."""
        if flags.paused and flags.state is IngestionState.OPEN:
            until = asyncio.get_running_loop().time() + _PAUSE_HELD
            with window.resting():
                while flags.paused and flags.state is IngestionState.OPEN:
                    self.check_running()
                    if asyncio.get_running_loop().time() >= until:
                        raise paused_error()
                    await asyncio.sleep(_PAUSE_POLL)
                    flags = await self.until_done("database", lambda: self._ingestions.flags(process_id))
            window.hold(False)
        if flags.state is not IngestionState.OPEN:
            raise StoppedError

    @asynccontextmanager
    async def flight(self, file: FileInfo, before: int) -> AsyncIterator[Flight]:
        """What a stream has in flight, while that lasts; what is left then is followed to its end. `before`:
        batches that earlier streams have sent."""
        with self.windows.open(file.tenant, before) as window:
            flight = Flight(
                window, lambda: self._status.watch(file.process_id), self.until_done, self.check_running
            )
            try:
                yield flight
            finally:
                if following := flight.leave(follow=not self._stopping):
                    self._followed.add(following)
                    following.add_done_callback(self._followed.discard)

    async def announce(self, process_id: str, batch: Batch, flight: Flight, message_bytes: int = 0) -> None:
        """Report to status that a batch is about to be sent, in a message of so many bytes; 0: not told.
        Raises StoppedError when the process has ended: it was cancelled, or failed."""
        progress = await self.until_done(
            "status", lambda: self._status.dispatched(process_id, batch, message_bytes)
        )
        if progress.terminal:
            raise StoppedError
        flight.told(progress)

    def count_bytes(self, count: int) -> None:
        """Count bytes read."""
        self._metrics.bytes.inc(count)

    # -- control -----------------------------------------------------------------------------------

    async def queues(self) -> tuple[Depth, Depth]:
        """How full the queue of batches and its dead-letter queue are."""
        return await self._queues.rows(), await self._queues.dead_letters()

    async def pause(self, process_id: str) -> Progress:
        """Pause dispatching."""
        await self._get(process_id)
        progress = await self._status.paused(process_id)
        await self._ingestions.set_paused(process_id, True)
        return progress

    async def resume(self, process_id: str) -> Progress:
        """Resume dispatching. Batches that were dropped since the table took no rows are sent again. Raises
        QuotaExceededError while rows are left to be read and the tenant has used all of today's."""
        if (await self._get(process_id)).state is IngestionState.OPEN:
            await self._quotas.check_rows()
        before = await self._status.progress(process_id)
        progress = await self._status.resumed(process_id)
        await self._ingestions.set_paused(process_id, False)
        if before and before.held:
            await self._ingestions.mark_lost(process_id, await self._status.queued(process_id))
            self.lost.set()
        return progress

    async def cancel(self, process_id: str) -> Progress:
        """Cancel the process. Idempotent."""
        ingestion = await self._get(process_id)
        await self._status.started(ingestion.file)  # its announcement may not have reached status
        progress = await self._status.cancelled(process_id)
        await self._ingestions.finish(process_id, IngestionState.STOPPED)
        return progress


def _message(ingestion: Ingestion, layout: Layout, batch: Batch, data: bytes, typed_cells: bool) -> Message:
    assert ingestion.content is not None, "batches are cut from content"
    repaired = _repaired_columns(ingestion.file, layout)
    return Message(ingestion.file, ingestion.content, layout, batch, data, repaired, typed_cells)


def _repaired_columns(file: FileInfo, layout: Layout) -> tuple[str, ...]:
    """The columns of the repaired process; a repair file has the row numbers before them."""
    if not file.repairs:
        return ()
    return layout.columns if file.retry else layout.columns[1:]


def _claim_check(message: Message) -> Message:
    return replace(message, data=None)
