"""The processor's pipelines over gRPC."""

from __future__ import annotations

import grpc

from ingestor.runtime.errors import from_rpc_error
from ingestor.services.orchestrator.ports import Pipelines
from ingestor.v1 import processor_pb2, processor_pb2_grpc

_DEADLINE = 30.0


class GrpcPipelines(Pipelines):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = processor_pb2_grpc.PipelineServiceStub(channel)

    async def document(self, name: str, version: int) -> str:
        request = processor_pb2.GetPipelineRequest(name=name, version=version)
        try:
            answer = await self._stub.GetPipeline(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        return answer.pipeline.document_json
