"""What the gateway lets through: the public services, and nothing else."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ingestor.internal.v1 import ingestion_pb2, ledger_pb2
from ingestor.runtime.grpc.channel import open_channel
from tests.e2e.conftest import Suite

INTERNAL = [
    f"/{service.full_name}/{method.name}"
    for module in (ingestion_pb2, ledger_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
# Where internal calls were before they had a contract of their own.
FORMER = [
    "/ingestor.v1.OrchestratorService/BeginIngestion",
    "/ingestor.v1.StatusService/RecordOutcomes",
    "/ingestor.v1.StatusService/ListRemovals",
]
UNKNOWN = ["/ingestor.v2.StatusService/GetProcess", "/grpc.channelz.v1.Channelz/GetServers"]


def _bytes(message: bytes) -> bytes:
    return message


@pytest.mark.parametrize("path", [*INTERNAL, *FORMER, *UNKNOWN])
async def test_other_calls_are_refused(suite: Suite, path: str) -> None:
    async with grpc.aio.insecure_channel(suite.gateway) as channel:
        call: Any = channel.unary_unary(path, request_serializer=_bytes, response_deserializer=_bytes)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_lists_the_public_services(suite: Suite) -> None:
    async with open_channel(suite.gateway) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([asked]))]
    assert {service.name for service in answers[0].list_services_response.service} == {
        "ingestor.v1.AccessService",
        "ingestor.v1.UploadService",
        "ingestor.v1.OrchestratorService",
        "ingestor.v1.PipelineService",
        "ingestor.v1.ProcessorService",
        "ingestor.v1.StatusService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
