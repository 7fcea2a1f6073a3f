"""One stream of a file's bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestor.runtime.errors import AbortedError, FailedPreconditionError
from ingestor.runtime.fail_points import fail_point
from ingestor.runtime.observability import spans
from ingestor.runtime.observability.stage_cpu import cpu_of
from ingestor.services.orchestrator.dispatch.flight import Flight
from ingestor.services.orchestrator.ingestions import Batch, Ingestion, Layout, Position, position_after
from ingestor.services.orchestrator.ports import Packed
from ingestor.tabular.records.slices import RecordDelimiter, Slice

if TYPE_CHECKING:
    from ingestor.services.orchestrator.service import OrchestratorService

_SENDS = 4  # messages sent to the queue at the same time
_feed = cpu_of("delimit")(RecordDelimiter.feed)
_finish = cpu_of("delimit")(RecordDelimiter.finish)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file; `last` marks the end of the file."""

    offset: int
    data: bytes
    last: bool


class FileStream:
    """One stream of a file's bytes: records batches in order and sends a few at a time."""

    def __init__(
        self, service: OrchestratorService, ingestion: Ingestion, position: Position, flight: Flight
    ) -> None:
        self._service = service
        self._flight = flight
        self._ingestion = ingestion
        self._process_id = ingestion.file.process_id
        self._layout = ingestion.layout
        self._position = position
        self._typed_cells = False
        self._sending: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_SENDS)

    async def read(self, chunks: AsyncIterator[Chunk]) -> tuple[int, int]:
        """Read to the end of the file; return the number of its rows and batches."""
        self._typed_cells = await self._service.has_typed_cells(self._ingestion)
        offset = self._position.offset
        head = bytearray()
        delimiter = None
        if self._layout:
            fields = await self._service.fields_of(self._ingestion.file)
            delimiter = self._service.delimiter(self._layout, self._position, fields)
        ended = False
        try:
            async for chunk in chunks:
                self._service.check_running()
                if chunk.offset != offset:
                    raise FailedPreconditionError(
                        "WRONG_OFFSET",
                        f"The next chunk must begin at byte {offset}, not at {chunk.offset}.",
                        metadata={"resume_offset": str(self._position.offset)},
                    )
                offset += len(chunk.data)
                self._service.count_bytes(len(chunk.data))
                ended = chunk.last
                if delimiter is None:
                    head += chunk.data
                    delimiter = await self._begin(head, final=ended)
                    if delimiter is not None:
                        await self._dispatch(_feed(delimiter, head))
                        head.clear()
                else:
                    await self._dispatch(_feed(delimiter, chunk.data))
                if ended:
                    break
            if not ended:
                raise AbortedError("STREAM_INCOMPLETE", "The stream ended before the last piece of the file.")
            assert delimiter is not None, "the end of the file decides about its header"
            await self._dispatch(_finish(delimiter))
        finally:
            # A recorded batch that cannot be sent is sent when the ingestion resumes.
            results = await asyncio.gather(*self._sending, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return self._position.row - 1, self._position.number - 1

    async def _begin(self, head: bytearray, *, final: bool) -> RecordDelimiter | None:
        with spans.span("read header"):
            found = await self._service.layout_of(self._ingestion, bytes(head), final=final)
        if found is None:
            return None
        layout, fields = found
        self._layout = layout
        self._position = position_after(layout, None)
        del head[: layout.data_start]
        return self._service.delimiter(layout, self._position, fields)

    async def _dispatch(self, slices: list[Slice]) -> None:
        for piece in slices:
            assert self._layout is not None
            number = self._position.number
            with spans.counted(number), spans.span("pack", attributes=_facts(number)):
                packs = await self._service.pack(
                    self._ingestion, self._layout, piece, number, self._typed_cells
                )
            for batch, packed in packs:
                with spans.counted(batch.number):
                    await self._dispatch_one(self._layout, batch, packed)

    async def _dispatch_one(self, layout: Layout, batch: Batch, packed: Packed) -> None:
        with spans.span("wait for a place", attributes=_facts(batch.number)):
            await self._flight.turn()
            await self._slots.acquire()
        self._raise_failed()
        with spans.span("record batch", attributes=_facts(batch.number)):
            await self._service.record(self._ingestion, batch, self._flight.window, self._finish)
        fail_point("batch.recorded")
        self._position = position_after(layout, batch)
        task = asyncio.create_task(self._send(batch, packed))
        self._sending.add(task)
        task.add_done_callback(self._sent)

    async def _finish(self) -> None:
        """Wait until every batch that was sent has its outcome."""
        await asyncio.gather(*self._sending, return_exceptions=True)
        self._raise_failed()
        await self._flight.landed()

    async def _send(self, batch: Batch, packed: Packed) -> None:
        self._flight.sent()
        with spans.span("dispatch", attributes={**_facts(batch.number), "ingestor.rows": batch.row_count}):
            await self._service.announce(self._process_id, batch, self._flight, packed.size)
            await self._service.send(self._process_id, batch, packed, "first")
            fail_point("batch.sent")

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._slots.release()
        if not task.cancelled() and task.exception() is None:
            self._sending.discard(task)

    def _raise_failed(self) -> None:
        for task in self._sending:
            if task.done():
                task.result()


def _facts(number: int) -> dict[str, int]:
    return {"ingestor.batch": number}
