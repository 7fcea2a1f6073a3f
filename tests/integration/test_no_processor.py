"""What works while no processor runs."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from ingestor.local.ports import free_port
from ingestor.provisioning.database import provision
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.queues import ensure_queues
from ingestor.runtime.errors import UnavailableError
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.host import host
from ingestor.runtime.settings import QueueSettings
from ingestor.services.orchestrator.bootstrap import bootstrap
from ingestor.services.orchestrator.settings import OrchestratorSettings
from ingestor.services.upload.adapters.grpc_dry_runs import GrpcDryRuns
from ingestor.services.upload.adapters.grpc_pipelines import GrpcPipelines
from ingestor.v1 import pipelines_pb2, pipelines_pb2_grpc


async def test_the_catalogue_answers(
    database_url: str, aws_endpoint: str, status_address: str, tmp_path: Any
) -> None:
    suffix = uuid.uuid4().hex
    async with open_sqs(QueueSettings(aws_endpoint_url=aws_endpoint)) as client:
        await ensure_queues(client, rows=f"r{suffix}", dead_letter=f"d{suffix}", events=f"e{suffix}")
    dsns = await provision(database_url, {"orchestrator": "secret"})
    settings = OrchestratorSettings(
        listen="127.0.0.1:0",
        metrics_listen="",
        database_url=SecretStr(dsns["orchestrator"]),
        aws_endpoint_url=aws_endpoint,
        rows_queue=f"r{suffix}",
        rows_dead_letter_queue=f"d{suffix}",
        events_queue=f"e{suffix}",
        status_address=status_address,
        file_store_dir=str(tmp_path),
    )
    schema = {"fields": [{"name": "a", "type": "string"}]}
    document = json.dumps({"name": "p", "schema": schema, "sink": {"table": "t"}})
    async with (
        host(settings, lambda made: bootstrap(settings, made), CollectorRegistry()) as service,
        open_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        async with asyncio.timeout(20):
            while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
                continue
        watch.cancel()
        stub: Any = pipelines_pb2_grpc.PipelineServiceStub(channel)
        await stub.ApplyPipeline(pipelines_pb2.ApplyPipelineRequest(document_json=document))
        found = await GrpcPipelines(channel).find("p", None)
        assert (found.version, json.loads(found.dialect)) == (1, {})
        assert found.labels == tuple(field["name"] for field in schema["fields"])
        wrong = pipelines_pb2.ApplyPipelineRequest(document_json=document.replace("string", "strin"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ApplyPipeline(wrong)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_dry_run_says_that_no_processor_answers() -> None:
    async with open_channel(f"127.0.0.1:{free_port()}") as channel:
        with pytest.raises(UnavailableError) as caught:
            await GrpcDryRuns(channel).run("", "", "{}", b"a\n1\n")
    assert caught.value.reason == "PROCESSOR_UNAVAILABLE"
