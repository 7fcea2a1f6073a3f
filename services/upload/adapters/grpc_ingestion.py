"""The orchestrator over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from ingestor.runtime.errors import from_rpc_error
from ingestor.v1 import common_pb2, orchestrator_pb2, orchestrator_pb2_grpc
from services.upload.uploads import Delivery

_DEADLINE = 30.0


class GrpcIngestion:
    """See Ingestion."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = orchestrator_pb2_grpc.OrchestratorServiceStub(channel)

    async def begin(self, delivery: Delivery) -> int | None:
        """See Ingestion."""
        upload = delivery.upload
        info = common_pb2.ProcessInfo(
            process_id=delivery.process_id, tenant=upload.tenant, upload_id=upload.upload_id,
            file_name=upload.file_name, size_bytes=upload.committed_size, pipeline=delivery.pipeline,
            pipeline_version=delivery.pipeline_version, file_key=upload.file_key,
        )  # fmt: skip
        try:
            answer = await self._stub.BeginIngestion(
                orchestrator_pb2.BeginIngestionRequest(process=info), timeout=_DEADLINE
            )
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        wanted = answer.state == orchestrator_pb2.INGESTION_STATE_OPEN
        return answer.resume_offset if wanted else None

    async def send(self, process_id: str, pieces: AsyncIterator[tuple[int, bytes, bool]]) -> None:
        """See Ingestion."""

        async def requests() -> AsyncIterator[orchestrator_pb2.IngestFileRequest]:
            async for offset, data, last in pieces:
                yield orchestrator_pb2.IngestFileRequest(
                    process_id=process_id, offset=offset, data=data, last=last
                )

        try:
            await self._stub.IngestFile(requests())
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
