"""Small servicers of the suite's contract, on a real gRPC server in this process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from ingestor.runtime.errors import NotFoundError, ServiceError
from ingestor.v1 import (
    access_pb2_grpc,
    common_pb2,
    orchestrator_pb2,
    orchestrator_pb2_grpc,
    pipelines_pb2,
    pipelines_pb2_grpc,
    processor_pb2,
    processor_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
    upload_pb2,
    upload_pb2_grpc,
)
from tests.fakes.access import Access, Context, Door, abort


def a_process(
    process_id: str = "p1", state: common_pb2.ProcessState.ValueType = common_pb2.PROCESS_STATE_COMPLETED
) -> status_pb2.Process:
    """A process of 10 rows, 8 of them loaded."""
    return status_pb2.Process(
        info=common_pb2.ProcessInfo(
            process_id=process_id, file_name="a.csv", size_bytes=100, pipeline="customers", pipeline_version=3
        ),
        state=state,
        counts=common_pb2.RowCounts(read=10, succeeded=8, failed=1, skipped=1),
        columns=["id", "name"],
        dialect_json='{"delimiter": ";"}',
        bytes_dispatched=50,
        content_bytes=100,
    )


@dataclass
class Uploads(upload_pb2_grpc.UploadServiceServicer):
    """Keeps what is sent; drops the connection once when it has `break_at` bytes."""

    content: bytearray = field(default_factory=bytearray)
    created: list[upload_pb2.CreateUploadRequest] = field(default_factory=list)
    completed: list[upload_pb2.CompleteUploadRequest] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    break_at: int | None = None
    refuse: list[ServiceError] = field(default_factory=list)  # of the next completions
    arrived: Callable[[int], None] = lambda size: None  # after each piece, with the bytes that are here

    def _upload(self) -> upload_pb2.Upload:
        return upload_pb2.Upload(
            upload_id="u1", state=upload_pb2.UPLOAD_STATE_OPEN, committed_size=len(self.content),
            max_chunk_size=7,
        )  # fmt: skip

    async def CreateUpload(
        self, request: upload_pb2.CreateUploadRequest, context: Context
    ) -> upload_pb2.CreateUploadResponse:
        self.created.append(request)
        return upload_pb2.CreateUploadResponse(upload=self._upload())

    async def GetUpload(
        self, request: upload_pb2.GetUploadRequest, context: Context
    ) -> upload_pb2.GetUploadResponse:
        return upload_pb2.GetUploadResponse(upload=self._upload())

    async def WriteUpload(
        self, requests: AsyncIterator[upload_pb2.WriteUploadRequest], context: Context
    ) -> upload_pb2.WriteUploadResponse:
        async for request in requests:
            assert request.chunk.offset == len(self.content)
            self.content += request.chunk.data
            self.arrived(len(self.content))
            if self.break_at is not None and len(self.content) >= self.break_at:
                self.break_at = None
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the line is cut")
        return upload_pb2.WriteUploadResponse(committed_size=len(self.content))

    async def AbortUpload(
        self, request: upload_pb2.AbortUploadRequest, context: Context
    ) -> upload_pb2.AbortUploadResponse:
        self.aborted.append(request.upload_id)
        return upload_pb2.AbortUploadResponse()

    async def CompleteUpload(
        self, request: upload_pb2.CompleteUploadRequest, context: Context
    ) -> upload_pb2.CompleteUploadResponse:
        if self.refuse:
            await abort(context, self.refuse.pop())
        assert request.sha256 == hashlib.sha256(self.content).digest()
        self.completed.append(request)
        return upload_pb2.CompleteUploadResponse(process_id="p1")


@dataclass
class Status(status_pb2_grpc.StatusServiceServicer):
    """Knows the process p1, its rows by pages of `page` and how it goes on."""

    course: list[status_pb2.Process] = field(default_factory=lambda: [a_process()])
    page: int = 2
    row_count: int = 5
    asked: list[status_pb2.ListRowsRequest] = field(default_factory=list)
    unavailable: int = 0  # so many times before an answer
    break_watch: bool = False
    cut_reports: int = 0  # how many to cut
    silent: bool = False
    not_yet: int = 0  # so many watches before it knows the process
    deleted: bool = False
    left: asyncio.Event = field(default_factory=asyncio.Event)  # a watch was left

    async def GetProcess(
        self, request: status_pb2.GetProcessRequest, context: Context
    ) -> status_pb2.GetProcessResponse:
        if self.unavailable:
            self.unavailable -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        if self.silent:
            await say_nothing()
        if request.process_id != "p1":
            await abort(context, NotFoundError("PROCESS_NOT_FOUND", "no such process"))
        return status_pb2.GetProcessResponse(process=self.course[-1])

    async def WatchProcess(
        self, request: status_pb2.WatchProcessRequest, context: Context
    ) -> AsyncIterator[status_pb2.WatchProcessResponse]:
        if self.deleted:
            await abort(context, NotFoundError("PROCESS_DELETED", "the process was deleted"))
        if self.not_yet:
            self.not_yet -= 1
            await abort(context, NotFoundError("PROCESS_NOT_FOUND", "no such process"))
        for process in self.course:
            yield status_pb2.WatchProcessResponse(process=process)
            if self.break_watch:
                self.break_watch = False
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the line is cut")
        if self.silent:
            try:
                await say_nothing()
            finally:
                self.left.set()

    async def ListProcesses(
        self, request: status_pb2.ListProcessesRequest, context: Context
    ) -> status_pb2.ListProcessesResponse:
        return status_pb2.ListProcessesResponse(processes=[a_process("p1"), a_process("p2")])

    async def ListRows(
        self, request: status_pb2.ListRowsRequest, context: Context
    ) -> status_pb2.ListRowsResponse:
        self.asked.append(request)
        first = int(request.page_token or 1)
        end = min(first + min(self.page, request.page_size), self.row_count + 1)
        return status_pb2.ListRowsResponse(
            rows=[
                status_pb2.Row(
                    row_number=number, line_number=number + 1, state=common_pb2.ROW_STATE_FAILED,
                    errors=[
                        common_pb2.RowError(
                            code="type-error", field="id", value="x", message="no number",
                            phase=common_pb2.ERROR_PHASE_VALIDATE,
                        )
                    ],
                    cells=["x", "y"],
                )
                for number in range(first, end)
            ],
            next_page_token=str(end) if end <= self.row_count else "",
        )  # fmt: skip

    async def DownloadReport(
        self, request: status_pb2.DownloadReportRequest, context: Context
    ) -> AsyncIterator[status_pb2.DownloadReportResponse]:
        name = status_pb2.ReportFormat.Name(request.format) + status_pb2.ReportRows.Name(request.rows)
        yield status_pb2.DownloadReportResponse(data=name.encode())
        if self.break_watch or self.cut_reports:
            self.cut_reports = max(0, self.cut_reports - 1)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the line is cut")
        yield status_pb2.DownloadReportResponse(row_count=7)

    async def ListEvents(
        self, request: status_pb2.ListEventsRequest, context: Context
    ) -> status_pb2.ListEventsResponse:
        event = common_pb2.ProcessEvent(
            sequence=4, event_id="e", type="ingestion.started", data_json='{"a": 1}'
        )
        event.time.FromJsonString("2026-01-02T03:04:05Z")
        return status_pb2.ListEventsResponse(events=[event])


async def say_nothing() -> None:
    """Say nothing until the caller hangs up."""
    await asyncio.Event().wait()


@dataclass
class Pipelines(pipelines_pb2_grpc.PipelineServiceServicer):
    """Stores every document as version 1."""

    applied: list[pipelines_pb2.ApplyPipelineRequest] = field(default_factory=list)
    refuse: ServiceError | None = None

    async def ApplyPipeline(
        self, request: pipelines_pb2.ApplyPipelineRequest, context: Context
    ) -> pipelines_pb2.ApplyPipelineResponse:
        if self.refuse:
            await abort(context, self.refuse)
        self.applied.append(request)
        made = pipelines_pb2.Pipeline(name="customers", version=1, document_json=request.document_json)
        return pipelines_pb2.ApplyPipelineResponse(pipeline=made, created=True)


class Processor(processor_pb2_grpc.ProcessorServiceServicer):
    """Counts the lines of a dry run."""

    def __init__(self) -> None:
        self.first = processor_pb2.DryRunRequest()
        self.content = b""

    async def DryRun(
        self, requests: AsyncIterator[processor_pb2.DryRunRequest], context: Context
    ) -> processor_pb2.DryRunResponse:
        async for request in requests:
            if not self.first.ByteSize():
                self.first = request
            self.content += request.data
        lines = self.content.count(b"\n") - 1
        return processor_pb2.DryRunResponse(
            counts=common_pb2.RowCounts(read=lines, succeeded=lines - 1, failed=1),
            rows=[processor_pb2.RejectedRow(row_number=1, state=common_pb2.ROW_STATE_FAILED)],
        )

    async def UndoProcess(
        self, request: processor_pb2.UndoProcessRequest, context: Context
    ) -> processor_pb2.UndoProcessResponse:
        return processor_pb2.UndoProcessResponse(removed=3, kept=1)

    async def DescribeTable(
        self, request: processor_pb2.DescribeTableRequest, context: Context
    ) -> processor_pb2.DescribeTableResponse:
        if request.table != "stock":
            await abort(context, NotFoundError("TABLE_NOT_FOUND", f"There is no table {request.table}."))
        document = {
            "name": "stock",
            "schema": {"fields": [{"name": "sku", "type": "string"}, {"name": "qty", "type": "integer"}]},
            "sink": {"table": "stock"},
        }
        return processor_pb2.DescribeTableResponse(document_json=json.dumps(document), needed=["sku"])


class Orchestrator(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """Pauses and counts."""

    async def PauseProcess(
        self, request: orchestrator_pb2.PauseProcessRequest, context: Context
    ) -> orchestrator_pb2.PauseProcessResponse:
        return orchestrator_pb2.PauseProcessResponse(state=common_pb2.PROCESS_STATE_PAUSED)

    async def GetQueues(
        self, request: orchestrator_pb2.GetQueuesRequest, context: Context
    ) -> orchestrator_pb2.GetQueuesResponse:
        depth = orchestrator_pb2.QueueDepth
        return orchestrator_pb2.GetQueuesResponse(
            rows=depth(visible=2, in_flight=1), dead_letters=depth(visible=1)
        )


@dataclass
class Suite:
    """The servicers of a server at `address`."""

    address: str = ""
    uploads: Uploads = field(default_factory=Uploads)
    status: Status = field(default_factory=Status)
    pipelines: Pipelines = field(default_factory=Pipelines)
    processor: Processor = field(default_factory=Processor)
    orchestrator: Orchestrator = field(default_factory=Orchestrator)

    access: Access = field(default_factory=Access)
    door: Door = field(default_factory=Door)

    async def start(self) -> grpc.aio.Server:
        """A server of them on a free port."""
        server = grpc.aio.server(interceptors=[self.door])
        access_pb2_grpc.add_AccessServiceServicer_to_server(self.access, server)
        upload_pb2_grpc.add_UploadServiceServicer_to_server(self.uploads, server)
        status_pb2_grpc.add_StatusServiceServicer_to_server(self.status, server)
        pipelines_pb2_grpc.add_PipelineServiceServicer_to_server(self.pipelines, server)
        processor_pb2_grpc.add_ProcessorServiceServicer_to_server(self.processor, server)
        orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server(self.orchestrator, server)
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        return server


@contextmanager
def on_a_thread() -> Iterator[Suite]:
    """The small suite, on a thread of its own."""
    made, loop, started = Suite(), asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        server = await made.start()
        started.set()
        await stop.wait()
        await server.stop(None)

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(30)
    yield made
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()
