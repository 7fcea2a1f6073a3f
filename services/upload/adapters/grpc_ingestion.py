"""The orchestrator over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from ingestor.internal.v1 import ingestion_pb2, ingestion_pb2_grpc
from ingestor.reports import OriginalTable
from ingestor.runtime.errors import AbortedError, from_rpc_error
from ingestor.runtime.protobuf.large_fields import sending_bytes, with_large
from ingestor.services.upload.ports import Ingestion, IngestionPausedError
from ingestor.services.upload.uploads import Delivery, Repair
from ingestor.services.upload.wire import content_message
from ingestor.v1 import common_pb2

_DEADLINE = 30.0


class GrpcIngestion(Ingestion):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = ingestion_pb2_grpc.IngestionServiceStub(channel)
        service = ingestion_pb2.DESCRIPTOR.services_by_name["IngestionService"]
        self._ingest_file = sending_bytes(channel, service, "IngestFile", ingestion_pb2.IngestFileResponse)

    async def prepare_repair(self, process_id: str) -> Repair:
        request = ingestion_pb2.PrepareRepairRequest(process_id=process_id)
        try:
            found = await self._stub.PrepareRepair(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        table = OriginalTable(
            tuple(found.columns), found.row_count, found.empty_is_null, found.delimiter, found.quote
        )
        return Repair(found.process_id, found.pipeline, found.pipeline_version, table)

    async def begin(self, delivery: Delivery) -> int | None:
        answer = await self._begin(
            ingestion_pb2.BeginIngestionRequest(
                process=_info(delivery),
                content=content_message(delivery.content) if delivery.content else None,
            )
        )
        wanted = answer.state == ingestion_pb2.INGESTION_STATE_OPEN
        return answer.resume_offset if wanted else None

    async def refuse(self, delivery: Delivery, reason: str, message: str) -> None:
        failure = common_pb2.ProcessFailure(reason=reason, message=message)
        await self._begin(ingestion_pb2.BeginIngestionRequest(process=_info(delivery), failure=failure))

    async def _begin(
        self, request: ingestion_pb2.BeginIngestionRequest
    ) -> ingestion_pb2.BeginIngestionResponse:
        try:
            return await self._stub.BeginIngestion(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise _known(error) from error

    async def send(self, process_id: str, pieces: AsyncIterator[tuple[int, bytes, bool]]) -> None:

        async def requests() -> AsyncIterator[bytes]:
            async for offset, data, last in pieces:
                head = ingestion_pb2.IngestFileRequest(process_id=process_id, offset=offset, last=last)
                yield b"".join(with_large(head, "data", data))

        try:
            await self._ingest_file(requests())
        except grpc.aio.AioRpcError as error:
            raise _known(error) from error


def _known(error: grpc.aio.AioRpcError) -> Exception:
    found = from_rpc_error(error)
    if isinstance(found, AbortedError) and found.reason == "INGESTION_PAUSED":
        return IngestionPausedError()
    return found


def _info(delivery: Delivery) -> common_pb2.ProcessInfo:
    upload = delivery.upload
    return common_pb2.ProcessInfo(
        process_id=delivery.process_id, tenant=upload.tenant, upload_id=upload.upload_id,
        file_name=upload.file_name, size_bytes=upload.committed_size, pipeline=delivery.pipeline,
        pipeline_version=delivery.pipeline_version,
        repairs_process_id=delivery.repair.process_id if delivery.repair else "",
    )  # fmt: skip
