"""gRPC in: translates, calls one use case, translates back."""

from __future__ import annotations

import base64
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ingestor.checking.labels import file_label
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.errors import FieldViolation, InvalidArgumentError
from ingestor.services.processor.batches import Rejected
from ingestor.services.processor.dry_run import DryRun, dry_run
from ingestor.services.processor.pipelines import PipelineService
from ingestor.services.processor.ports import DryRunTables, StoredPipeline
from ingestor.services.processor.undo import UndoService
from ingestor.tabular.options import OptionsError, parse_options, pipeline_options
from ingestor.v1 import common_pb2, processor_pb2, processor_pb2_grpc

Context = Any
_MAX_PAGE = 1000
_ANSWER_BYTES = 2 * 2**20
_STATES = {"failed": common_pb2.ROW_STATE_FAILED, "skipped": common_pb2.ROW_STATE_SKIPPED}
_PHASES = {
    "parse": common_pb2.ERROR_PHASE_PARSE,
    "validate": common_pb2.ERROR_PHASE_VALIDATE,
    "load": common_pb2.ERROR_PHASE_LOAD,
}


class ProcessorApi(processor_pb2_grpc.ProcessorServiceServicer):
    """See ProcessorService in protos/ingestor/v1/processor.proto."""

    def __init__(self, pipelines: PipelineService, undos: UndoService, tables: DryRunTables) -> None:
        self._pipelines = pipelines
        self._undos = undos
        self._tables = tables

    async def UndoProcess(
        self, request: processor_pb2.UndoProcessRequest, context: Context
    ) -> processor_pb2.UndoProcessResponse:
        try:
            process_id = str(uuid.UUID(request.process_id))
        except ValueError:
            raise _wrong("process_id", "is not a UUID") from None
        counts = await self._undos.undo(process_id, validate_only=request.validate_only)
        return processor_pb2.UndoProcessResponse(
            removed=counts.removed, restored=counts.restored, kept=counts.kept
        )

    async def ValidateRows(
        self, request_iterator: AsyncIterator[processor_pb2.ValidateRowsRequest], context: Context
    ) -> processor_pb2.ValidateRowsResponse:
        requests = request_iterator.__aiter__()
        try:
            first = await anext(requests)
        except StopAsyncIteration:
            raise _wrong("data", "is needed") from None
        if first.pipeline and first.document_json:
            raise _wrong("pipeline", "and document_json exclude each other")
        pipeline = None
        if first.pipeline:
            pipeline = await self._pipelines.named(first.pipeline)
        elif first.document_json:
            pipeline = self._pipelines.parse(first.document_json)

        async def chunks() -> AsyncIterator[bytes]:
            yield first.data
            async for request in requests:
                yield request.data

        try:
            options = parse_options(first.dialect_json)
        except OptionsError as error:
            raise _wrong("dialect_json", str(error)) from None
        if pipeline:
            options = options.over(pipeline_options(pipeline.canonical_json()))
        normal_form = first.form == common_pb2.CONTENT_FORM_NORMAL
        result = await dry_run(chunks(), pipeline, options, normal_form, self._tables)
        return processor_pb2.ValidateRowsResponse(
            counts=common_pb2.RowCounts(
                read=result.read, succeeded=result.succeeded, failed=result.failed, skipped=result.skipped
            ),
            rows=list(_rows(result, pipeline, with_cells=not first.without_cells)),
        )


class PipelineApi(processor_pb2_grpc.PipelineServiceServicer):
    """See PipelineService in protos/ingestor/v1/processor.proto."""

    def __init__(self, pipelines: PipelineService) -> None:
        self._pipelines = pipelines

    async def ApplyPipeline(
        self, request: processor_pb2.ApplyPipelineRequest, context: Context
    ) -> processor_pb2.ApplyPipelineResponse:
        stored, created = await self._pipelines.apply(request.document_json, request.validate_only)
        return processor_pb2.ApplyPipelineResponse(pipeline=_pipeline(stored), created=created)

    async def GetPipeline(
        self, request: processor_pb2.GetPipelineRequest, context: Context
    ) -> processor_pb2.GetPipelineResponse:
        if request.version < 0:
            raise _wrong("version", "must not be negative")
        stored = await self._pipelines.get(request.name, request.version)
        return processor_pb2.GetPipelineResponse(pipeline=_pipeline(stored))

    async def ListPipelines(
        self, request: processor_pb2.ListPipelinesRequest, context: Context
    ) -> processor_pb2.ListPipelinesResponse:
        size = _page_size(request.page_size)
        found = await self._pipelines.list(_from_token(request.page_token), size + 1)
        return processor_pb2.ListPipelinesResponse(
            pipelines=[_pipeline(stored) for stored in found[:size]],
            next_page_token=_to_token(found[size - 1].name) if len(found) > size else "",
        )

    async def ListPipelineVersions(
        self, request: processor_pb2.ListPipelineVersionsRequest, context: Context
    ) -> processor_pb2.ListPipelineVersionsResponse:
        size = _page_size(request.page_size)
        before = _from_token(request.page_token)
        if before and not (before.isascii() and before.isdigit() and len(before) < 10):
            raise _wrong_token()
        found = await self._pipelines.versions(request.name, int(before) if before else None, size + 1)
        return processor_pb2.ListPipelineVersionsResponse(
            pipelines=[_pipeline(stored) for stored in found[:size]],
            next_page_token=_to_token(str(found[size - 1].version)) if len(found) > size else "",
        )

    async def DeletePipeline(
        self, request: processor_pb2.DeletePipelineRequest, context: Context
    ) -> processor_pb2.DeletePipelineResponse:
        await self._pipelines.delete(request.name)
        return processor_pb2.DeletePipelineResponse()


def _page_size(asked: int) -> int:
    if asked < 0:
        raise _wrong("page_size", "must not be negative")
    return min(asked or 50, _MAX_PAGE)


def _to_token(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode()


def _from_token(token: str) -> str:
    try:
        place = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise _wrong_token() from None
    if "\0" in place:
        raise _wrong_token()
    return place


def _wrong_token() -> InvalidArgumentError:
    return InvalidArgumentError("INVALID_PAGE_TOKEN", "The page token is not one that this service gave.")


def _wrong(field: str, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        "INVALID_ARGUMENT", f"{field} {problem}.", violations=[FieldViolation(field, problem)]
    )


def _pipeline(stored: StoredPipeline) -> processor_pb2.Pipeline:
    time = Timestamp()
    time.FromDatetime(stored.created)
    return processor_pb2.Pipeline(
        name=stored.name, version=stored.version, document_json=stored.document, create_time=time
    )


def _rows(
    result: DryRun, pipeline: Pipeline | None, *, with_cells: bool
) -> Iterator[processor_pb2.RejectedRow]:
    """The rows, as many as fit into one message."""
    columns = frozenset(result.columns)
    left = _ANSWER_BYTES
    for row in result.rows:
        message = _row(row, [file_label(problem, pipeline, columns) for problem in row.errors])
        if not with_cells or message.ByteSize() > _ANSWER_BYTES:
            message.ClearField("cells")
        while message.ByteSize() > _ANSWER_BYTES:
            kept = len(message.errors) // 2
            del message.errors[kept:], message.error_labels[kept:]
        left -= message.ByteSize()
        if left < 0:
            return
        yield message


def _row(row: Rejected, labels: Sequence[str]) -> processor_pb2.RejectedRow:
    return processor_pb2.RejectedRow(
        row_number=row.row_number,
        line_number=row.line_number,
        state=_STATES[row.state],
        errors=[
            common_pb2.RowError(
                code=p.code, field=p.field, value=p.value, message=p.message, phase=_PHASES[p.phase]
            )
            for p in row.errors
        ],
        cells=row.cells,
        error_labels=labels,
    )
