"""The orchestrator's catalogue of pipelines over gRPC."""

from __future__ import annotations

import grpc

from ingestor.runtime.errors import from_rpc_error
from ingestor.services.upload.ports import PipelineReading, Pipelines
from ingestor.tabular.options import pipeline_labels, pipeline_options
from ingestor.v1 import pipelines_pb2, pipelines_pb2_grpc

_DEADLINE = 30.0


class GrpcPipelines(Pipelines):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pipelines_pb2_grpc.PipelineServiceStub(channel)

    async def find(self, name: str, version: int | None) -> PipelineReading:
        request = pipelines_pb2.GetPipelineRequest(name=name, version=version or 0)
        try:
            answer = await self._stub.GetPipeline(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        return _reading(answer.pipeline.version, answer.pipeline.document_json)

    async def reading_of(self, document: str) -> PipelineReading:
        request = pipelines_pb2.ApplyPipelineRequest(document_json=document, dry_run=True)
        try:
            await self._stub.ApplyPipeline(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        return _reading(0, document)


def _reading(version: int, document: str) -> PipelineReading:
    return PipelineReading(version, pipeline_options(document).to_json(), pipeline_labels(document))
