"""Builds the service's objects; no other module does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import grpc
from prometheus_client import CollectorRegistry

from ingestor.access.build import build_guard
from ingestor.access.calls import CallSigner
from ingestor.access.scope import row_security
from ingestor.access.work import service_wide
from ingestor.document_checks import DocumentChecks
from ingestor.internal.v1 import ingestion_pb2_grpc
from ingestor.removals.follower import RemovalFollower
from ingestor.removals.grpc_log import GrpcRemovalLog
from ingestor.removals.pg_inbox import PgRemovalInbox
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.requests import AwsRequests
from ingestor.runtime.clock import TimeOrderedIds
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.host import Service
from ingestor.runtime.observability.samples import Sampler
from ingestor.runtime.postgres.clock import open_clock
from ingestor.runtime.postgres.login import Database
from ingestor.runtime.postgres.migrations import check_migrations
from ingestor.runtime.postgres.pool import open_pool
from ingestor.runtime.postgres.pool_metrics import ClockSkew, observe_pools
from ingestor.runtime.processes.pool import open_processes
from ingestor.services.orchestrator.adapters.grpc_status import GrpcStatus
from ingestor.services.orchestrator.adapters.pg_ingestions import PgIngestions
from ingestor.services.orchestrator.adapters.pg_pipelines import PgPipelines
from ingestor.services.orchestrator.adapters.sqs_depths import QueuesSample, SqsDepths
from ingestor.services.orchestrator.adapters.sqs_rows import SqsRows
from ingestor.services.orchestrator.api import IngestionApi, OrchestratorApi, PipelineApi
from ingestor.services.orchestrator.dispatch.window import Windows
from ingestor.services.orchestrator.empty_queue import EmptyQueue
from ingestor.services.orchestrator.pipelines import PipelineService
from ingestor.services.orchestrator.reconciler import Reconciler
from ingestor.services.orchestrator.remover import IngestionRemover
from ingestor.services.orchestrator.repairs import RepairService
from ingestor.services.orchestrator.retries import RetryWorker
from ingestor.services.orchestrator.service import Metrics, OrchestratorService
from ingestor.services.orchestrator.settings import OrchestratorSettings
from ingestor.stores.open import open_store
from ingestor.v1 import orchestrator_pb2_grpc, pipelines_pb2_grpc


@asynccontextmanager
async def bootstrap(settings: OrchestratorSettings, registry: CollectorRegistry) -> AsyncIterator[Service]:
    """Build everything, and close it all at the end. Raises RuntimeError when migrations are missing."""
    async with AsyncExitStack() as stack:
        database = Database.of(settings)
        pool = await stack.enter_async_context(
            open_pool(
                database,
                service="orchestrator",
                schema="orchestrator",
                size=settings.database_pool_size,
                sessions=settings.database_pool_size,  # a file being read holds one
                prepare=row_security,
            )
        )
        await check_migrations(
            pool, schema="orchestrator", package="ingestor.services.orchestrator.migrations"
        )
        clock = await open_clock(pool)
        guard, quotas = build_guard(settings, pool, registry)
        signer = CallSigner(settings.keyring(), "orchestrator")
        connect = partial(open_channel, interceptors=signer.interceptors(), tls=settings.tls)
        sqs = await stack.enter_async_context(open_sqs(settings))
        status_channel = await stack.enter_async_context(connect(settings.status_address, service="status"))
        ingestions = PgIngestions(pool)
        queue = SqsRows(sqs, settings.rows_queue, settings.keyring())
        status = GrpcStatus(status_channel)
        aws = AwsRequests(registry)
        aws.observe(sqs)
        store = await stack.enter_async_context(open_store(settings, aws.observe))
        processes = await stack.enter_async_context(
            open_processes(
                "ingestor.checking.document",
                most=settings.check_processes,
                memory_bytes=settings.check_memory_bytes,
            )
        )
        documents = DocumentChecks(processes, settings.check_seconds)
        pipelines = PipelineService(PgPipelines(pool), clock, quotas, documents)
        observe_pools(registry, pool)
        metrics = Metrics(registry)
        windows = Windows(settings.max_batches_in_flight)
        metrics.in_flight.set_function(lambda: windows.in_flight)
        metrics.streams.set_function(lambda: windows.streams)
        queues = SqsDepths(sqs, settings.rows_queue, settings.rows_dead_letter_queue)
        sampler = Sampler(
            registry, (ClockSkew(pool, clock), QueuesSample(queues)), seconds=settings.sample_seconds
        )
        service = OrchestratorService(
            ingestions,
            queue,
            status,
            pipelines,
            store,
            metrics,
            quotas,
            windows=windows,
            slice_bytes=settings.slice_bytes,
            queues=queues,
        )
        removals = RemovalFollower(
            GrpcRemovalLog(status_channel),
            PgRemovalInbox(pool, "orchestrator"),
            IngestionRemover(ingestions),
            clock,
            registry,
            poll_seconds=settings.removal_poll_seconds,
        )
        reconciler = Reconciler(
            ingestions,
            status,
            service,
            clock,
            redispatch_seconds=settings.redispatch_seconds,
        )
        empty_queue = EmptyQueue(queues, ingestions, reconciler, lost_seconds=settings.lost_seconds)
        retries = RetryWorker(ingestions, status, service)
        repairs = RepairService(ingestions, status, store, TimeOrderedIds(clock), retries.wake)

        def register(server: grpc.aio.Server) -> None:
            public = OrchestratorApi(service, repairs)
            orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server(public, server)
            pipelines_pb2_grpc.add_PipelineServiceServicer_to_server(PipelineApi(pipelines), server)
            internal = IngestionApi(service, repairs)
            ingestion_pb2_grpc.add_IngestionServiceServicer_to_server(internal, server)

        yield Service(
            register=register,
            grpc_services=(
                "ingestor.v1.OrchestratorService",
                "ingestor.v1.PipelineService",
                "ingestor.internal.v1.IngestionService",
            ),
            checks={"database": pool.check},
            of_workers={"rows queue": queue.check},
            workers=service_wide(service, reconciler, empty_queue, retries, removals, sampler),
            interceptors=(guard,),
        )
