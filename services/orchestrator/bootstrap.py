"""The one place that builds the service's objects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from prometheus_client import CollectorRegistry

from ingestor.runtime.aws import open_sqs
from ingestor.runtime.clock import SystemClock
from ingestor.runtime.grpc_channel import open_channel
from ingestor.runtime.host import Service
from ingestor.runtime.postgres import migrate, open_pool
from ingestor.stores.open import open_store
from ingestor.v1 import orchestrator_pb2_grpc
from services.orchestrator.adapters.grpc_pipelines import GrpcPipelines
from services.orchestrator.adapters.grpc_status import GrpcStatus
from services.orchestrator.adapters.pg_ingestions import PgIngestions
from services.orchestrator.adapters.sqs_depths import SqsDepths
from services.orchestrator.adapters.sqs_rows import SqsRows
from services.orchestrator.api import OrchestratorApi
from services.orchestrator.reconciler import Reconciler
from services.orchestrator.service import Metrics, OrchestratorService
from services.orchestrator.settings import OrchestratorSettings


@asynccontextmanager
async def bootstrap(settings: OrchestratorSettings, registry: CollectorRegistry) -> AsyncIterator[Service]:
    """Build everything, migrate the schema, and close it all at the end."""
    async with AsyncExitStack() as stack:
        dsn = settings.database_url.get_secret_value()
        pool = await stack.enter_async_context(
            open_pool(dsn, service="orchestrator", schema="orchestrator", size=settings.database_pool_size)
        )
        await migrate(pool, schema="orchestrator", package="services.orchestrator.migrations")
        sqs = await stack.enter_async_context(open_sqs(settings))
        status_channel = await stack.enter_async_context(open_channel(settings.status_address))
        processor_channel = await stack.enter_async_context(open_channel(settings.processor_address))
        ingestions = PgIngestions(pool)
        queue = SqsRows(sqs, settings.rows_queue)
        status = GrpcStatus(status_channel)
        service = OrchestratorService(
            ingestions,
            queue,
            status,
            GrpcPipelines(processor_channel),
            await stack.enter_async_context(open_store(settings)),
            Metrics(registry),
            max_in_flight=settings.max_batches_in_flight,
            slice_bytes=settings.slice_bytes,
            queues=SqsDepths(sqs, settings.rows_queue, settings.rows_dead_letter_queue),
        )
        reconciler = Reconciler(
            ingestions,
            status,
            service,
            SystemClock(),
            redispatch_seconds=settings.redispatch_seconds,
        )
        yield Service(
            register=lambda server: orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server(
                OrchestratorApi(service), server
            ),
            grpc_services=("ingestor.v1.OrchestratorService",),
            checks={"database": lambda: pool.fetchval("SELECT 1"), "rows queue": queue.check},
            workers=(reconciler,),
        )
