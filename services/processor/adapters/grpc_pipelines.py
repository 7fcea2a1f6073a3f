"""The orchestrator's catalogue of pipelines over gRPC."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import grpc

from ingestor.access.scope import tenant
from ingestor.pipeline_documents import read_stored
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.errors import from_rpc_error
from ingestor.services.processor.ports import Pipelines
from ingestor.v1 import pipelines_pb2, pipelines_pb2_grpc

_DEADLINE = 30.0
_MOST_KNOWN = 64


class GrpcPipelines(Pipelines):
    """Remembers the versions used last, which never change, by tenant."""

    def __init__(self, orchestrator: grpc.aio.Channel) -> None:
        self._stub = pipelines_pb2_grpc.PipelineServiceStub(orchestrator)
        self._known: OrderedDict[tuple[str, str, int], Pipeline] = OrderedDict()

    async def get(self, name: str, version: int) -> Pipeline:
        if known := self._recall(name, version):
            return known
        request = pipelines_pb2.GetPipelineRequest(name=name, version=version)
        try:
            found = (await self._stub.GetPipeline(request, timeout=_DEADLINE)).pipeline
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        if known := self._recall(name, found.version):
            return known
        parsed = await asyncio.to_thread(read_stored, name, found.version, found.document_json)
        self._known[tenant(), name, found.version] = parsed
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return parsed

    def _recall(self, name: str, version: int) -> Pipeline | None:
        key = (tenant(), name, version)
        known = self._known.get(key)
        if known:
            self._known.move_to_end(key)
        return known
