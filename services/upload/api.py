"""The gRPC API: translates each request, calls one use case and translates its result."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import structlog

from ingestor.notices import from_objects
from ingestor.outcomes import RowError
from ingestor.runtime.grpc.requests import read_uuid, write_time, wrong
from ingestor.services.upload.dry_runs import DryRun, TableNow
from ingestor.services.upload.service import Chunk, UploadService
from ingestor.services.upload.uploads import Upload, UploadState
from ingestor.states import ROW_STATES
from ingestor.v1 import common_pb2, upload_pb2, upload_pb2_grpc
from ingestor.wire import error_message, notice_message, reading_message

Context = Any
_STATES = {
    UploadState.OPEN: upload_pb2.UPLOAD_STATE_OPEN,
    UploadState.COMPLETED: upload_pb2.UPLOAD_STATE_COMPLETED,
    UploadState.ABORTED: upload_pb2.UPLOAD_STATE_ABORTED,
}

_ROLES = {
    "above": upload_pb2.LINE_ROLE_ABOVE,
    "header": upload_pb2.LINE_ROLE_HEADER,
    "row": upload_pb2.LINE_ROLE_ROW,
    "skipped": upload_pb2.LINE_ROLE_SKIPPED,
    "failed": upload_pb2.LINE_ROLE_FAILED,
    "footer": upload_pb2.LINE_ROLE_FOOTER,
}


class UploadApi(upload_pb2_grpc.UploadServiceServicer):
    """See UploadService in protos/ingestor/v1/upload.proto."""

    def __init__(self, service: UploadService, store: str) -> None:
        """`store` is the kind of file store, for GetStorage."""
        self._service = service
        self._store = store

    async def CreateUpload(
        self, request: upload_pb2.CreateUploadRequest, context: Context
    ) -> upload_pb2.CreateUploadResponse:
        upload = await self._service.create(request.file_name, request.size_bytes, request.request_id)
        return upload_pb2.CreateUploadResponse(upload=self._upload(upload))

    async def WriteUpload(
        self, request_iterator: AsyncIterator[upload_pb2.WriteUploadRequest], context: Context
    ) -> upload_pb2.WriteUploadResponse:
        requests = request_iterator.__aiter__()
        try:
            first = await anext(requests)
        except StopAsyncIteration:
            raise wrong("upload_id", "is needed in the first message") from None

        async def chunks() -> AsyncIterator[Chunk]:
            yield _chunk(first.chunk)
            async for request in requests:
                yield _chunk(request.chunk)

        written = await self._service.write(_id(first.upload_id), chunks())
        return upload_pb2.WriteUploadResponse(committed_size=written.committed)

    async def WriteChunk(
        self, request: upload_pb2.WriteChunkRequest, context: Context
    ) -> upload_pb2.WriteChunkResponse:

        async def chunks() -> AsyncIterator[Chunk]:
            yield _chunk(request.chunk)

        written = await self._service.write(_id(request.upload_id), chunks(), more=request.more)
        return upload_pb2.WriteChunkResponse(committed_size=written.committed, received_size=written.received)

    async def GetUpload(
        self, request: upload_pb2.GetUploadRequest, context: Context
    ) -> upload_pb2.GetUploadResponse:
        upload = await self._service.get(_id(request.upload_id))
        return upload_pb2.GetUploadResponse(upload=self._upload(upload))

    async def CompleteUpload(
        self, request: upload_pb2.CompleteUploadRequest, context: Context
    ) -> upload_pb2.CompleteUploadResponse:
        repairs = request.repairs_process_id
        process_id = await self._service.complete(
            _id(request.upload_id), request.sha256, request.pipeline, request.dialect_json,
            read_uuid("repairs_process_id", repairs) if repairs else "",
        )  # fmt: skip
        return upload_pb2.CompleteUploadResponse(process_id=process_id)

    async def InspectUpload(
        self, request: upload_pb2.InspectUploadRequest, context: Context
    ) -> upload_pb2.InspectUploadResponse:
        found = await self._service.inspect(
            _id(request.upload_id), request.dialect_json, request.sample_rows, tuple(request.key)
        )
        return inspection_message(found)

    async def DryRunUpload(
        self, request: upload_pb2.DryRunUploadRequest, context: Context
    ) -> upload_pb2.DryRunUploadResponse:
        found = await self._service.dry_run(
            _id(request.upload_id), request.pipeline, request.document_json, request.dialect_json,
            request.sample_rows,
        )  # fmt: skip
        return dry_run_message(found)

    async def GetStorage(
        self, request: upload_pb2.GetStorageRequest, context: Context
    ) -> upload_pb2.GetStorageResponse:
        found = await self._service.storage()
        return upload_pb2.GetStorageResponse(
            file_count=found.file_count, file_bytes=found.file_bytes, free_bytes=found.free_bytes,
            store=self._store, stored_bytes=found.stored_bytes, temporary_bytes=found.temporary_bytes,
        )  # fmt: skip

    async def AbortUpload(
        self, request: upload_pb2.AbortUploadRequest, context: Context
    ) -> upload_pb2.AbortUploadResponse:
        await self._service.abort(_id(request.upload_id))
        return upload_pb2.AbortUploadResponse()

    def _upload(self, upload: Upload) -> upload_pb2.Upload:
        return upload_pb2.Upload(
            upload_id=upload.upload_id,
            file_name=upload.file_name,
            state=_STATES[upload.state],
            declared_size=upload.declared_size,
            committed_size=upload.committed_size,
            max_chunk_size=self._service.max_chunk_bytes,
            process_id=upload.process_id or "",
            create_time=write_time(upload.created),
        )


def inspection_message(found: dict[str, Any]) -> upload_pb2.InspectUploadResponse:
    """The result of an inspection as a message."""
    return upload_pb2.InspectUploadResponse(
        dialect_json=json.dumps(found["dialect"]),
        columns=[
            upload_pb2.InspectedColumn(
                **{**column, "candidates": [_candidate(one) for one in column.get("candidates", ())]}
            )
            for column in found["columns"]
        ],
        first_rows=[
            upload_pb2.InspectedRow(
                row_number=row["row"], line_number=row["line"], cells=[cell or "" for cell in row["cells"]]
            )
            for row in found["first_rows"]
        ],
        rejected=[
            upload_pb2.InspectedReject(
                row_number=record["row"],
                line_number=record["line"],
                state=ROW_STATES[record["state"]],
                error=error_message(RowError(record["code"], "", record["text"], record["message"], "parse")),
            )
            for record in found["rejected"]
        ],
        rejected_count=found["rejected_count"],
        sampled_rows=found["sampled_rows"],
        complete=found["complete"],
        pipeline_json=json.dumps(found["pipeline"], ensure_ascii=False),
        guesses=[upload_pb2.Guess(**guess) for guess in found["guesses"]],
        notices=map(notice_message, from_objects(found["notices"])),
        lines=[
            upload_pb2.InspectedLine(
                line_number=line["line"], role=_ROLES[line["role"]], cells=line["cells"],
                cell_count=line["width"], why=line["why"],
            )
            for line in found.get("lines", ())
        ],
        sheets=[
            upload_pb2.InspectedSheet(
                name=sheet["name"], row_count=sheet["rows"], column_count=sheet["columns"],
                hidden=sheet["hidden"], readable=sheet["readable"],
            )
            for sheet in found.get("sheets", ())
        ],
        # A converter of an earlier release does not count them.
        duplicate_count=found.get("duplicate_count", 0),
        duplicate_rows=found.get("duplicate_rows", ()),
    )  # fmt: skip


def _candidate(found: dict[str, Any]) -> upload_pb2.InspectedCandidate:
    values = [common_pb2.ReadValue(written=text, understood=value) for text, value in found["values"]]
    return upload_pb2.InspectedCandidate(
        keys_json=json.dumps(found["keys"], ensure_ascii=False), values=values
    )


def dry_run_message(found: DryRun) -> upload_pb2.DryRunUploadResponse:
    """What a dry run found, as the contract has it."""
    return upload_pb2.DryRunUploadResponse(
        columns=found.columns,
        rows=[
            upload_pb2.DryRunRow(
                row_number=row.record.row_number,
                line_number=row.record.line_number,
                state=ROW_STATES[row.state],
                cells=row.record.cells or (),
                errors=map(error_message, row.errors),
                error_labels=row.labels,
            )
            for row in found.rows
        ],
        counts=common_pb2.RowCounts(
            read=len(found.rows), succeeded=found.count("succeeded"), failed=found.count("failed"),
            skipped=found.count("skipped"),
        ),
        complete=found.complete,
        dialect_json=found.dialect,
        notices=map(notice_message, found.notices),
        readings=map(reading_message, found.readings),
        table=None if found.table is None else _table_message(found.table),
    )  # fmt: skip


def _table_message(table: TableNow) -> common_pb2.TableNow:
    return common_pb2.TableNow(
        name=table.name, exists=table.exists, row_count=table.row_count, estimated=table.estimated
    )


def _id(text: str) -> str:
    upload_id = read_uuid("upload_id", text)
    structlog.contextvars.bind_contextvars(upload_id=upload_id)
    return upload_id


def _chunk(chunk: upload_pb2.FileChunk) -> Chunk:
    return Chunk(chunk.offset, chunk.data, chunk.crc32c)
