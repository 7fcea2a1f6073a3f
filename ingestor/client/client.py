"""An asynchronous client of the suite's gateway.

Answers are the contract's own messages (protos/ingestor/v1): they are typed, documented there, and a
second set of classes beside them would drift. Errors are ingestor.runtime.errors: a ServiceError with
the server's reason, or TransientError when the same call may succeed later.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc

from ingestor.client.upload import OnProgress, send_file
from ingestor.runtime.errors import TransientError, from_rpc_error
from ingestor.runtime.grpc.channel import open_channel
from ingestor.states import TERMINAL
from ingestor.v1 import (
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

if TYPE_CHECKING:
    from ingestor.tabular.options import ReadOptions

T = TypeVar("T")
Connection = Callable[[str], None]  # told when the connection is lost and tried again

_DEADLINE = 60.0


class Client:
    """A client of one gateway; an async context manager."""

    def __init__(self, address: str, *, patience: float = 120.0, on_lost: Connection | None = None) -> None:
        """`address` is host:port. A lost connection is tried again for `patience` seconds; `on_lost`
        is told of it in a sentence."""
        self._opening = open_channel(address)
        self._patience = patience
        self._on_lost = on_lost or (lambda _: None)

    async def __aenter__(self) -> Self:
        """Open the channel; it connects at the first call."""
        channel = await self._opening.__aenter__()
        self._uploads = upload_pb2_grpc.UploadServiceStub(channel)
        self._orchestrator = orchestrator_pb2_grpc.OrchestratorServiceStub(channel)
        self._processor = processor_pb2_grpc.ProcessorServiceStub(channel)
        self._pipelines = pipelines_pb2_grpc.PipelineServiceStub(channel)
        self._status = status_pb2_grpc.StatusServiceStub(channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the channel."""
        await self._opening.__aexit__(kind, error, trace)

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def _with_patience(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call whose repetition is harmless, while the connection comes and goes."""
        loop = asyncio.get_running_loop()
        deadline, wait = loop.time() + self._patience, 0.2
        while True:
            try:
                return await self._call(call)
            except TransientError as error:
                if loop.time() + wait > deadline:
                    raise
                self._on_lost(str(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)

    # -- uploads -----------------------------------------------------------------------------------

    async def create_upload(self, file_name: str, size_bytes: int, request_id: str = "") -> upload_pb2.Upload:
        """Open an upload."""
        request = upload_pb2.CreateUploadRequest(
            file_name=file_name, size_bytes=size_bytes, request_id=request_id
        )
        return (await self._call(lambda: self._uploads.CreateUpload(request, timeout=_DEADLINE))).upload

    async def get_upload(self, upload_id: str) -> upload_pb2.Upload:
        """Where an upload stands."""
        request = upload_pb2.GetUploadRequest(upload_id=upload_id)
        return (await self._with_patience(lambda: self._uploads.GetUpload(request, timeout=_DEADLINE))).upload

    async def send_file(
        self, upload: upload_pb2.Upload, path: Path, on_progress: OnProgress | None = None
    ) -> bytes:
        """Send a file from the upload's committed size on, again and again where the connection is
        lost; its SHA-256. Raises OSError when it cannot be read."""
        return await send_file(self._uploads, upload, path, on_progress, self._patience, self._on_lost)

    async def complete_upload(
        self, upload_id: str, sha256: bytes = b"", pipeline: str = "", dialect: str = "", repairs: str = ""
    ) -> str:
        """Close an upload and begin its ingestion; the process. `dialect` is JSON, see
        docs/guides/reading-files.md. With `repairs` the file is a corrected report of that process: see
        docs/guides/reports-and-repair.md."""
        request = upload_pb2.CompleteUploadRequest(
            upload_id=upload_id, sha256=sha256, pipeline=pipeline, dialect_json=dialect,
            repairs_process_id=repairs,
        )  # fmt: skip
        answer = await self._with_patience(lambda: self._uploads.CompleteUpload(request, timeout=900))
        return answer.process_id

    async def abort_upload(self, upload_id: str) -> None:
        """Drop an upload."""
        request = upload_pb2.AbortUploadRequest(upload_id=upload_id)
        await self._call(lambda: self._uploads.AbortUpload(request, timeout=_DEADLINE))

    # -- processes ---------------------------------------------------------------------------------

    async def get_process(self, process_id: str) -> status_pb2.Process:
        """Where a process stands."""
        request = status_pb2.GetProcessRequest(process_id=process_id)
        return (await self._call(lambda: self._status.GetProcess(request, timeout=_DEADLINE))).process

    async def watch_process(
        self, process_id: str, min_interval_ms: int = 100
    ) -> AsyncIterator[status_pb2.Process]:
        """A process now and after every change until it is terminal; goes on after a lost
        connection."""
        request = status_pb2.WatchProcessRequest(process_id=process_id, min_interval_ms=min_interval_ms)
        loop = asyncio.get_running_loop()
        deadline, wait = loop.time() + self._patience, 0.2
        while True:
            try:
                async for answer in self._status.WatchProcess(request):
                    deadline, wait = loop.time() + self._patience, 0.2
                    yield answer.process
                    if answer.process.state in TERMINAL:
                        return
            except grpc.aio.AioRpcError as error:
                known = from_rpc_error(error)
                # Right after CompleteUpload status may not have heard of the process yet.
                early = error.code() is grpc.StatusCode.NOT_FOUND and loop.time() < deadline
                if not (isinstance(known, TransientError) or early) or loop.time() + wait > deadline:
                    raise known from error
                self._on_lost(str(known))
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5.0)

    async def list_processes(
        self, filter_: str = "", page_size: int = 50, page_token: str = ""
    ) -> status_pb2.ListProcessesResponse:
        """A page of processes, newest first."""
        request = status_pb2.ListProcessesRequest(filter=filter_, page_size=page_size, page_token=page_token)
        return await self._call(lambda: self._status.ListProcesses(request, timeout=_DEADLINE))

    async def get_row(self, process_id: str, row_number: int) -> status_pb2.Row:
        """A row."""
        request = status_pb2.GetRowRequest(process_id=process_id, row_number=row_number)
        return (await self._call(lambda: self._status.GetRow(request, timeout=_DEADLINE))).row

    async def list_rows(
        self, process_id: str, filter_: str = "", page_size: int = 50, page_token: str = ""
    ) -> status_pb2.ListRowsResponse:
        """A page of rows by number."""
        request = status_pb2.ListRowsRequest(
            process_id=process_id, filter=filter_, page_size=page_size, page_token=page_token
        )
        return await self._call(lambda: self._status.ListRows(request, timeout=_DEADLINE))

    async def summarize_errors(self, process_id: str) -> list[status_pb2.ErrorGroup]:
        """Errors by code and field, most frequent first."""
        request = status_pb2.SummarizeErrorsRequest(process_id=process_id)
        answer = await self._call(lambda: self._status.SummarizeErrors(request, timeout=_DEADLINE))
        return list(answer.groups)

    async def download_report(
        self,
        process_id: str,
        format_: status_pb2.ReportFormat.ValueType = status_pb2.REPORT_FORMAT_CSV,
        rows: status_pb2.ReportRows.ValueType = status_pb2.REPORT_ROWS_REJECTED,
    ) -> AsyncIterator[status_pb2.DownloadReportResponse]:
        """A report as pieces of a file; the last one has `row_count`."""
        request = status_pb2.DownloadReportRequest(process_id=process_id, format=format_, rows=rows)
        try:
            async for answer in self._status.DownloadReport(request):
                yield answer
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def list_events(
        self, process_id: str = "", page_size: int = 1000, page_token: str = ""
    ) -> status_pb2.ListEventsResponse:
        """A page of events, oldest first."""
        request = status_pb2.ListEventsRequest(
            process_id=process_id, page_size=page_size, page_token=page_token
        )
        return await self._call(lambda: self._status.ListEvents(request, timeout=_DEADLINE))

    async def retry_rows(self, process_id: str) -> orchestrator_pb2.RetryRowsResponse:
        """Run rows again that failed for a reason that may have passed; the process that does."""
        request = orchestrator_pb2.RetryRowsRequest(process_id=process_id)
        return await self._with_patience(lambda: self._orchestrator.RetryRows(request, timeout=600))

    async def pause_process(self, process_id: str) -> common_pb2.ProcessState.ValueType:
        """Hold dispatching; the state then."""
        request = orchestrator_pb2.PauseProcessRequest(process_id=process_id)
        return (await self._call(lambda: self._orchestrator.PauseProcess(request, timeout=_DEADLINE))).state

    async def resume_process(self, process_id: str) -> common_pb2.ProcessState.ValueType:
        """Go on; the state then."""
        request = orchestrator_pb2.ResumeProcessRequest(process_id=process_id)
        return (await self._call(lambda: self._orchestrator.ResumeProcess(request, timeout=_DEADLINE))).state

    async def cancel_process(self, process_id: str) -> common_pb2.ProcessState.ValueType:
        """Stop for good; the state then."""
        request = orchestrator_pb2.CancelProcessRequest(process_id=process_id)
        return (await self._call(lambda: self._orchestrator.CancelProcess(request, timeout=_DEADLINE))).state

    async def delete_process(self, process_id: str) -> None:
        """Remove a process that has ended; what it has loaded stays."""
        request = status_pb2.DeleteProcessRequest(process_id=process_id)
        await self._with_patience(lambda: self._status.DeleteProcess(request, timeout=_DEADLINE))

    async def undo_process(self, process_id: str, dry_run: bool = False) -> processor_pb2.UndoProcessResponse:
        """Take out of the sink again what a process has loaded, or only say what that would do."""
        request = processor_pb2.UndoProcessRequest(process_id=process_id, dry_run=dry_run)
        return await self._with_patience(lambda: self._processor.UndoProcess(request, timeout=900))

    # -- pipelines ---------------------------------------------------------------------------------

    async def apply_pipeline(
        self, document_json: str, dry_run: bool = False
    ) -> pipelines_pb2.ApplyPipelineResponse:
        """Store (or only check) a pipeline document."""
        request = pipelines_pb2.ApplyPipelineRequest(document_json=document_json, dry_run=dry_run)
        return await self._call(lambda: self._pipelines.ApplyPipeline(request, timeout=_DEADLINE))

    async def get_pipeline(self, name: str, version: int = 0) -> pipelines_pb2.Pipeline:
        """A version of a pipeline, by default the latest."""
        request = pipelines_pb2.GetPipelineRequest(name=name, version=version)
        return (await self._call(lambda: self._pipelines.GetPipeline(request, timeout=_DEADLINE))).pipeline

    async def list_pipelines(
        self, page_size: int = 1000, page_token: str = ""
    ) -> pipelines_pb2.ListPipelinesResponse:
        """A page of pipelines by name, the latest version of each."""
        request = pipelines_pb2.ListPipelinesRequest(page_size=page_size, page_token=page_token)
        return await self._call(lambda: self._pipelines.ListPipelines(request, timeout=_DEADLINE))

    async def list_pipeline_versions(
        self, name: str, page_size: int = 1000, page_token: str = ""
    ) -> pipelines_pb2.ListPipelineVersionsResponse:
        """A page of a pipeline's versions, newest first, also of a deleted one."""
        request = pipelines_pb2.ListPipelineVersionsRequest(
            name=name, page_size=page_size, page_token=page_token
        )
        return await self._call(lambda: self._pipelines.ListPipelineVersions(request, timeout=_DEADLINE))

    async def delete_pipeline(self, name: str) -> None:
        """Take a pipeline out of use; its versions stay."""
        request = pipelines_pb2.DeletePipelineRequest(name=name)
        await self._call(lambda: self._pipelines.DeletePipeline(request, timeout=_DEADLINE))

    async def validate_file(
        self, path: Path, *, pipeline: str = "", document_json: str = "", dialect: str = ""
    ) -> processor_pb2.DryRunResponse:
        """A dry run of a file of any format, which is converted here if need be; nothing is stored.

        Raises OSError when it cannot be read, UnreadableFileError when it is no table, OptionsError
        when the dialect is wrong.
        """
        from ingestor.tabular.errors import UnreadableFileError
        from ingestor.tabular.files.convert import content, open_plan
        from ingestor.tabular.options import parse_options, pipeline_options

        options = parse_options(dialect)
        if pipeline:
            name, _, version = pipeline.partition("@")
            known = await self.get_pipeline(name, int(version or 0))
            options = options.over(pipeline_options(known.document_json))
        elif document_json:
            options = options.over(pipeline_options(document_json))

        failed: list[Exception] = []

        async def requests() -> AsyncIterator[processor_pb2.DryRunRequest]:
            try:
                async for request in pieces_of_file():
                    yield request
            except (OSError, UnreadableFileError) as error:
                failed.append(error)
                raise

        async def pieces_of_file() -> AsyncIterator[processor_pb2.DryRunRequest]:
            with path.open("rb") as file:
                how = open_plan(file, path.stat().st_size, path.name, options)
                normal = how.form == "normal"
                yield processor_pb2.DryRunRequest(
                    pipeline=pipeline,
                    document_json=document_json,
                    dialect_json=_for_text(how.options),
                    form=common_pb2.CONTENT_FORM_NORMAL if normal else common_pb2.CONTENT_FORM_DELIMITED,
                )
                pieces = iter(lambda: file.read(2**20), b"") if how.form == "as-is" else content(file, how)
                while data := await asyncio.to_thread(next, pieces, b""):
                    for at in range(0, len(data), 2**20):
                        yield processor_pb2.DryRunRequest(data=data[at : at + 2**20])

        try:
            return await self._call(lambda: self._processor.DryRun(requests()))
        except asyncio.CancelledError:
            if failed:  # gRPC cancels a call whose requests cannot be made
                raise failed[0] from None
            raise


def _for_text(options: ReadOptions) -> str:
    """The dialect of a file that has become text in UTF-8."""
    found = json.loads(options.to_json())
    return json.dumps({key: value for key, value in found.items() if key not in ("encoding", "compression")})
