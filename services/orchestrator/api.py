"""The gRPC API: translates each request, calls one use case and translates its result."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import structlog

from ingestor.access.scope import tenant
from ingestor.internal.v1 import ingestion_pb2, ingestion_pb2_grpc
from ingestor.runtime.errors import FieldViolation, InvalidArgumentError
from ingestor.runtime.grpc.requests import (
    make_token,
    read_page_size,
    read_token,
    read_uuid,
    write_time,
    wrong,
)
from ingestor.services.orchestrator.dispatch.stream import Chunk
from ingestor.services.orchestrator.dispatch.wire import batch_message
from ingestor.services.orchestrator.ingestions import Content, FileInfo, IngestionState
from ingestor.services.orchestrator.pipelines import PipelineService
from ingestor.services.orchestrator.ports import Depth, StoredPipeline
from ingestor.services.orchestrator.repairs import RepairService
from ingestor.services.orchestrator.service import OrchestratorService
from ingestor.states import process_state
from ingestor.tabular.options import OptionsError, parse_options
from ingestor.v1 import common_pb2, orchestrator_pb2, orchestrator_pb2_grpc, pipelines_pb2, pipelines_pb2_grpc
from ingestor.wire import notices_in

Context = Any
_STATES = {
    IngestionState.ANNOUNCED: ingestion_pb2.INGESTION_STATE_ANNOUNCED,
    IngestionState.OPEN: ingestion_pb2.INGESTION_STATE_OPEN,
    IngestionState.DISPATCHED: ingestion_pb2.INGESTION_STATE_DISPATCHED,
    IngestionState.STOPPED: ingestion_pb2.INGESTION_STATE_STOPPED,
}


class OrchestratorApi(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """See OrchestratorService in protos/ingestor/v1/orchestrator.proto."""

    def __init__(self, service: OrchestratorService, repairs: RepairService) -> None:
        self._service = service
        self._repairs = repairs

    async def RetryRows(
        self, request: orchestrator_pb2.RetryRowsRequest, context: Context
    ) -> orchestrator_pb2.RetryRowsResponse:
        process_id, rows = await self._repairs.retry(_process("process_id", request.process_id))
        return orchestrator_pb2.RetryRowsResponse(process_id=process_id, row_count=rows)

    async def PauseProcess(
        self, request: orchestrator_pb2.PauseProcessRequest, context: Context
    ) -> orchestrator_pb2.PauseProcessResponse:
        progress = await self._service.pause(_process("process_id", request.process_id))
        return orchestrator_pb2.PauseProcessResponse(state=process_state(progress.state))

    async def ResumeProcess(
        self, request: orchestrator_pb2.ResumeProcessRequest, context: Context
    ) -> orchestrator_pb2.ResumeProcessResponse:
        progress = await self._service.resume(_process("process_id", request.process_id))
        return orchestrator_pb2.ResumeProcessResponse(state=process_state(progress.state))

    async def CancelProcess(
        self, request: orchestrator_pb2.CancelProcessRequest, context: Context
    ) -> orchestrator_pb2.CancelProcessResponse:
        progress = await self._service.cancel(_process("process_id", request.process_id))
        return orchestrator_pb2.CancelProcessResponse(state=process_state(progress.state))

    async def GetQueues(
        self, request: orchestrator_pb2.GetQueuesRequest, context: Context
    ) -> orchestrator_pb2.GetQueuesResponse:
        rows, dead_letters = await self._service.queues()
        return orchestrator_pb2.GetQueuesResponse(rows=_depth(rows), dead_letters=_depth(dead_letters))


class IngestionApi(ingestion_pb2_grpc.IngestionServiceServicer):
    """See IngestionService in protos/ingestor/internal/v1/ingestion.proto."""

    def __init__(self, service: OrchestratorService, repairs: RepairService) -> None:
        self._service = service
        self._repairs = repairs

    async def BeginIngestion(
        self, request: ingestion_pb2.BeginIngestionRequest, context: Context
    ) -> ingestion_pb2.BeginIngestionResponse:
        info = request.process
        process_id = _process("process.process_id", info.process_id)
        repairs = info.repairs_process_id
        file = FileInfo(
            process_id, tenant(), info.upload_id, info.file_name, info.size_bytes,
            info.pipeline, info.pipeline_version,
            read_uuid("process.repairs_process_id", repairs) if repairs else "",
        )  # fmt: skip
        if request.HasField("failure"):
            state = await self._service.refuse(file, request.failure.reason, request.failure.message)
            return ingestion_pb2.BeginIngestionResponse(state=_STATES[state])
        content = _content(request.content) if request.HasField("content") else None
        state, offset = await self._service.begin(file, content)
        return ingestion_pb2.BeginIngestionResponse(state=_STATES[state], resume_offset=offset)

    async def IngestFile(
        self, request_iterator: AsyncIterator[ingestion_pb2.IngestFileRequest], context: Context
    ) -> ingestion_pb2.IngestFileResponse:
        requests = request_iterator.__aiter__()
        try:
            first = await anext(requests)
        except StopAsyncIteration:
            raise wrong("process_id", "is needed in the first message") from None
        process_id = _process("process_id", first.process_id)

        async def chunks() -> AsyncIterator[Chunk]:
            yield Chunk(first.offset, first.data, first.last)
            async for request in requests:
                yield Chunk(request.offset, request.data, request.last)

        result = await self._service.ingest(process_id, chunks())
        return ingestion_pb2.IngestFileResponse(
            state=_STATES[result.state], row_count=result.rows, batch_count=result.batches
        )

    async def ListStoredBatches(
        self, request: ingestion_pb2.ListStoredBatchesRequest, context: Context
    ) -> AsyncIterator[ingestion_pb2.ListStoredBatchesResponse]:
        process_id = _process("process_id", request.process_id)
        content, batches, message_of = await self._service.stored_batches(process_id)
        yield ingestion_pb2.ListStoredBatchesResponse(content=_content_message(content) if content else None)
        for batch in batches:
            yield ingestion_pb2.ListStoredBatchesResponse(batch=batch_message(message_of(batch)))

    async def PrepareRepair(
        self, request: ingestion_pb2.PrepareRepairRequest, context: Context
    ) -> ingestion_pb2.PrepareRepairResponse:
        found = await self._repairs.prepare(_process("process_id", request.process_id))
        file, table = found.file, found.table
        return ingestion_pb2.PrepareRepairResponse(
            process_id=file.process_id, pipeline=file.pipeline, pipeline_version=file.pipeline_version,
            columns=table.columns, row_count=table.row_count, empty_is_null=table.empty_is_null,
            delimiter=table.delimiter, quote=table.quote,
        )  # fmt: skip


class PipelineApi(pipelines_pb2_grpc.PipelineServiceServicer):
    """See PipelineService in protos/ingestor/v1/pipelines.proto."""

    def __init__(self, pipelines: PipelineService) -> None:
        self._pipelines = pipelines

    async def ApplyPipeline(
        self, request: pipelines_pb2.ApplyPipelineRequest, context: Context
    ) -> pipelines_pb2.ApplyPipelineResponse:
        stored, created = await self._pipelines.apply(request.document_json, dry_run=request.dry_run)
        return pipelines_pb2.ApplyPipelineResponse(pipeline=_pipeline(stored), created=created)

    async def GetPipeline(
        self, request: pipelines_pb2.GetPipelineRequest, context: Context
    ) -> pipelines_pb2.GetPipelineResponse:
        if request.version < 0:
            raise wrong("version", "must not be negative")
        stored = await self._pipelines.get(request.name, request.version)
        return pipelines_pb2.GetPipelineResponse(pipeline=_pipeline(stored))

    async def ListPipelines(
        self, request: pipelines_pb2.ListPipelinesRequest, context: Context
    ) -> pipelines_pb2.ListPipelinesResponse:
        size = read_page_size(request.page_size)
        scope = f"pipelines {tenant()}"
        after = read_token(scope, request.page_token, str)
        columns = list(request.loaded_columns)
        if any("\0" in label for label in columns):
            raise wrong("loaded_columns", "must not hold NUL characters")
        found = await self._pipelines.list(after or "", size + 1, columns)
        return pipelines_pb2.ListPipelinesResponse(
            pipelines=[_pipeline(stored) for stored in found[:size]],
            next_page_token=make_token(scope, found[size - 1].name) if len(found) > size else "",
        )

    async def ListPipelineVersions(
        self, request: pipelines_pb2.ListPipelineVersionsRequest, context: Context
    ) -> pipelines_pb2.ListPipelineVersionsResponse:
        size = read_page_size(request.page_size)
        scope = f"versions {tenant()} {request.name}"
        before = read_token(scope, request.page_token, int)
        found = await self._pipelines.versions(request.name, before, size + 1)
        return pipelines_pb2.ListPipelineVersionsResponse(
            pipelines=[_pipeline(stored) for stored in found[:size]],
            next_page_token=make_token(scope, found[size - 1].version) if len(found) > size else "",
        )

    async def DeletePipeline(
        self, request: pipelines_pb2.DeletePipelineRequest, context: Context
    ) -> pipelines_pb2.DeletePipelineResponse:
        await self._pipelines.delete(request.name)
        return pipelines_pb2.DeletePipelineResponse()


def _content(content: ingestion_pb2.FileContent) -> Content:
    if not content.file_key:
        raise wrong("content.file_key", "is needed")
    if content.form == common_pb2.CONTENT_FORM_UNSPECIFIED:
        raise wrong("content.form", "is needed")
    try:
        dialect = parse_options(content.dialect_json).to_json()
    except OptionsError as error:
        raise InvalidArgumentError(
            "INVALID_DIALECT", f"The dialect is invalid: {error}.",
            violations=[FieldViolation("content.dialect_json", str(error))],
        ) from None  # fmt: skip
    normal = content.form == common_pb2.CONTENT_FORM_NORMAL
    return Content(content.file_key, content.size_bytes, normal, dialect, notices_in(content.notices))


def _content_message(content: Content) -> ingestion_pb2.FileContent:
    form = common_pb2.CONTENT_FORM_NORMAL if content.normal_form else common_pb2.CONTENT_FORM_DELIMITED
    return ingestion_pb2.FileContent(
        file_key=content.file_key, size_bytes=content.size_bytes, form=form, dialect_json=content.dialect
    )


def _process(field: str, text: str) -> str:
    process_id = read_uuid(field, text)
    structlog.contextvars.bind_contextvars(process_id=process_id)
    return process_id


def _depth(depth: Depth) -> orchestrator_pb2.QueueDepth:
    return orchestrator_pb2.QueueDepth(visible=depth.visible, in_flight=depth.in_flight)


def _pipeline(stored: StoredPipeline) -> pipelines_pb2.Pipeline:
    return pipelines_pb2.Pipeline(
        name=stored.name, version=stored.version, document_json=stored.document,
        create_time=write_time(stored.created),
    )  # fmt: skip
