"""gRPC in: translates, calls one use case, translates back."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import structlog

from ingestor.runtime.errors import FieldViolation, InvalidArgumentError
from ingestor.services.orchestrator.ingestions import Content, FileInfo, IngestionState
from ingestor.services.orchestrator.ports import Depth, Progress
from ingestor.services.orchestrator.repairs import RepairService
from ingestor.services.orchestrator.service import Chunk, OrchestratorService
from ingestor.tabular.options import OptionsError, parse_options
from ingestor.v1 import common_pb2, orchestrator_pb2, orchestrator_pb2_grpc

Context = Any
_STATES = {
    IngestionState.ANNOUNCED: orchestrator_pb2.INGESTION_STATE_ANNOUNCED,
    IngestionState.OPEN: orchestrator_pb2.INGESTION_STATE_OPEN,
    IngestionState.DISPATCHED: orchestrator_pb2.INGESTION_STATE_DISPATCHED,
    IngestionState.STOPPED: orchestrator_pb2.INGESTION_STATE_STOPPED,
}


class OrchestratorApi(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """See OrchestratorService in protos/ingestor/v1/orchestrator.proto."""

    def __init__(self, service: OrchestratorService, repairs: RepairService) -> None:
        self._service = service
        self._repairs = repairs

    async def BeginIngestion(
        self, request: orchestrator_pb2.BeginIngestionRequest, context: Context
    ) -> orchestrator_pb2.BeginIngestionResponse:
        info = request.process
        process_id = _process("process.process_id", info.process_id)
        file = FileInfo(
            process_id, info.tenant or "default", info.upload_id, info.file_name, info.size_bytes,
            info.pipeline, info.pipeline_version,
            _uuid("process.repairs_process_id", info.repairs_process_id) if info.repairs_process_id else "",
        )  # fmt: skip
        if request.HasField("failure"):
            state = await self._service.refuse(file, request.failure.reason, request.failure.message)
            return orchestrator_pb2.BeginIngestionResponse(state=_STATES[state])
        content = _content(request.content) if request.HasField("content") else None
        state, offset = await self._service.begin(file, content)
        return orchestrator_pb2.BeginIngestionResponse(state=_STATES[state], resume_offset=offset)

    async def IngestFile(
        self, request_iterator: AsyncIterator[orchestrator_pb2.IngestFileRequest], context: Context
    ) -> orchestrator_pb2.IngestFileResponse:
        requests = request_iterator.__aiter__()
        try:
            first = await anext(requests)
        except StopAsyncIteration:
            raise _wrong("process_id", "is needed in the first message") from None
        process_id = _process("process_id", first.process_id)

        async def chunks() -> AsyncIterator[Chunk]:
            yield Chunk(first.offset, first.data, first.last)
            async for request in requests:
                yield Chunk(request.offset, request.data, request.last)

        result = await self._service.ingest(process_id, chunks())
        return orchestrator_pb2.IngestFileResponse(
            state=_STATES[result.state], row_count=result.rows, batch_count=result.batches
        )

    async def PrepareRepair(
        self, request: orchestrator_pb2.PrepareRepairRequest, context: Context
    ) -> orchestrator_pb2.PrepareRepairResponse:
        found = await self._repairs.prepare(_process("process_id", request.process_id))
        file, table = found.file, found.table
        return orchestrator_pb2.PrepareRepairResponse(
            process_id=file.process_id, pipeline=file.pipeline, pipeline_version=file.pipeline_version,
            columns=table.columns, row_count=table.row_count, empty_is_null=table.empty_is_null,
        )  # fmt: skip

    async def RetryRows(
        self, request: orchestrator_pb2.RetryRowsRequest, context: Context
    ) -> orchestrator_pb2.RetryRowsResponse:
        process_id, rows = await self._repairs.retry(_process("process_id", request.process_id))
        return orchestrator_pb2.RetryRowsResponse(process_id=process_id, row_count=rows)

    async def PauseProcess(
        self, request: orchestrator_pb2.PauseProcessRequest, context: Context
    ) -> orchestrator_pb2.PauseProcessResponse:
        progress = await self._service.pause(_process("process_id", request.process_id))
        return orchestrator_pb2.PauseProcessResponse(state=_state(progress))

    async def ResumeProcess(
        self, request: orchestrator_pb2.ResumeProcessRequest, context: Context
    ) -> orchestrator_pb2.ResumeProcessResponse:
        progress = await self._service.resume(_process("process_id", request.process_id))
        return orchestrator_pb2.ResumeProcessResponse(state=_state(progress))

    async def CancelProcess(
        self, request: orchestrator_pb2.CancelProcessRequest, context: Context
    ) -> orchestrator_pb2.CancelProcessResponse:
        progress = await self._service.cancel(_process("process_id", request.process_id))
        return orchestrator_pb2.CancelProcessResponse(state=_state(progress))

    async def GetQueues(
        self, request: orchestrator_pb2.GetQueuesRequest, context: Context
    ) -> orchestrator_pb2.GetQueuesResponse:
        rows, dead_letters = await self._service.queues()
        return orchestrator_pb2.GetQueuesResponse(rows=_depth(rows), dead_letters=_depth(dead_letters))


def _wrong(field: str, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        "INVALID_ARGUMENT", f"{field} {problem}.", violations=[FieldViolation(field, problem)]
    )


def _content(content: orchestrator_pb2.FileContent) -> Content:
    if not content.file_key:
        raise _wrong("content.file_key", "is needed")
    if content.form == common_pb2.CONTENT_FORM_UNSPECIFIED:
        raise _wrong("content.form", "is needed")
    try:
        dialect = parse_options(content.dialect_json).to_json()
    except OptionsError as error:
        raise InvalidArgumentError(
            "INVALID_DIALECT", f"The dialect is wrong: {error}.",
            violations=[FieldViolation("content.dialect_json", str(error))],
        ) from None  # fmt: skip
    normal = content.form == common_pb2.CONTENT_FORM_NORMAL
    return Content(content.file_key, content.size_bytes, normal, dialect)


def _uuid(field: str, text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise _wrong(field, "is not a UUID") from None


def _process(field: str, text: str) -> str:
    process_id = _uuid(field, text)
    structlog.contextvars.bind_contextvars(process_id=process_id)
    return process_id


def _depth(depth: Depth) -> orchestrator_pb2.QueueDepth:
    return orchestrator_pb2.QueueDepth(visible=depth.visible, in_flight=depth.in_flight)


def _state(progress: Progress) -> common_pb2.ProcessState.ValueType:
    return common_pb2.ProcessState.Value(f"PROCESS_STATE_{progress.state}")
