"""The one place that builds the service's objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import grpc
import pyarrow as pa
from prometheus_client import CollectorRegistry

from ingestor.access.build import build_guard
from ingestor.access.calls import CallSigner
from ingestor.access.scope import row_security
from ingestor.access.work import service_wide
from ingestor.document_checks import DocumentChecks
from ingestor.removals.follower import RemovalFollower
from ingestor.removals.grpc_log import GrpcRemovalLog
from ingestor.removals.pg_inbox import PgRemovalInbox
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.requests import AwsRequests
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.grpc.health import Check
from ingestor.runtime.host import Service, Worker
from ingestor.runtime.observability.samples import Sampler
from ingestor.runtime.postgres.clock import open_clock
from ingestor.runtime.postgres.login import Database
from ingestor.runtime.postgres.migrations import check_migrations
from ingestor.runtime.postgres.pool import open_pool
from ingestor.runtime.postgres.pool_metrics import ClockSkew, observe_pools
from ingestor.runtime.processes.pool import open_processes
from ingestor.services.processor.adapters.grpc_pipelines import GrpcPipelines
from ingestor.services.processor.adapters.grpc_status import GrpcOutcomes, GrpcProcesses
from ingestor.services.processor.adapters.pg_loaded_rows import PgLoadedTables
from ingestor.services.processor.adapters.postgres.columns.draft import PgTables
from ingestor.services.processor.adapters.postgres.dry_run import PgDryRunTables, observe_places
from ingestor.services.processor.adapters.postgres.markers import PgHandedBack, PgProcessRecords
from ingestor.services.processor.adapters.sinks import Undos, open_sinks
from ingestor.services.processor.adapters.sqs_rows import SqsRows
from ingestor.services.processor.adapters.tenant_pool import TenantPool
from ingestor.services.processor.adapters.verification.grpc_statements import GrpcStatements
from ingestor.services.processor.adapters.verification.pg_table import PgVerifiedTables
from ingestor.services.processor.api import ProcessorApi
from ingestor.services.processor.checks.isolated import IsolatedChecks
from ingestor.services.processor.dead_letters.handler import DeadHandler
from ingestor.services.processor.dry_run import WORK, DryRunWork
from ingestor.services.processor.loaded.service import LoadedRowsService
from ingestor.services.processor.service import BatchService, Metrics
from ingestor.services.processor.settings import ProcessorSettings
from ingestor.services.processor.undo import UndoService
from ingestor.services.processor.verification.service import VerificationService
from ingestor.services.processor.worker import QueueWorker, RowsHandler
from ingestor.stores.open import open_store
from ingestor.v1 import processor_pb2_grpc


@asynccontextmanager
async def bootstrap(settings: ProcessorSettings, registry: CollectorRegistry) -> AsyncIterator[Service]:
    """Build everything, and close it all at the end. Raises RuntimeError when migrations are missing."""
    # Each batch is computed in a thread of its own, so Arrow needs no threads; the system's allocator returns
    # memory that is free.
    pa.set_cpu_count(1)
    pa.set_memory_pool(pa.system_memory_pool())
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            open_pool(
                Database.of(settings),
                service="processor",
                schema="processor",
                size=settings.connections,
                sessions=settings.sessions,
                usual_path=True,
                prepare=row_security,
            )
        )
        await check_migrations(pool, schema="processor", package="ingestor.services.processor.migrations")
        clock = await open_clock(pool)
        guard, _ = build_guard(settings, pool, registry)
        tenants = await TenantPool.of(pool)
        signer = CallSigner(settings.keyring(), "processor")
        connect = partial(open_channel, interceptors=signer.interceptors(), tls=settings.tls)
        status = await stack.enter_async_context(connect(settings.status_address, service="status"))
        orchestrator = await stack.enter_async_context(
            connect(settings.orchestrator_address, service="orchestrator")
        )
        pipelines = GrpcPipelines(orchestrator)
        of_workers: dict[str, Check] = {}
        observe_pools(registry, pool)
        workers: list[Worker] = [
            Sampler(registry, (ClockSkew(pool, clock),), seconds=settings.sample_seconds)
        ]
        register: Callable[[grpc.aio.Server], None] = _nothing
        processes = await stack.enter_async_context(
            open_processes(WORK, most=settings.check_processes, memory_bytes=settings.check_memory_bytes)
        )
        aws = AwsRequests(registry)
        store = await stack.enter_async_context(open_store(settings, aws.observe))
        if settings.works:
            sqs = await stack.enter_async_context(open_sqs(settings))
            aws.observe(sqs)
            keys = settings.keyring()
            rows = SqsRows(sqs, settings.rows_queue, settings.visibility_seconds, keys)
            dead = SqsRows(sqs, settings.rows_dead_letter_queue, settings.visibility_seconds, keys)
            handed_back = PgHandedBack(pool)
            metrics = Metrics(registry)
            batches = BatchService(
                open_sinks(tenants, settings.schemas), GrpcOutcomes(status), pipelines, store, metrics
            )
            queue_worker = partial(
                QueueWorker, metrics=metrics, visibility_seconds=settings.visibility_seconds
            )
            workers += [
                queue_worker(
                    "rows", rows, RowsHandler(rows, batches, handed_back), concurrency=settings.concurrency
                ),
                queue_worker(
                    "dead letters",
                    dead,
                    DeadHandler(
                        dead,
                        batches,
                        handed_back,
                        lambda tenant: IsolatedChecks(
                            processes, tenant=tenant, seconds=settings.check_seconds
                        ),
                        registry,
                    ),
                    concurrency=1,
                ),
            ]
            of_workers["rows queue"] = rows.check
        if settings.serves:
            processes_of = GrpcProcesses(status)
            undos = UndoService(Undos(pool, tenants), processes_of, pipelines)
            loaded = LoadedRowsService(PgLoadedTables(tenants, settings.schemas), processes_of, pipelines)
            verification = VerificationService(
                GrpcStatements(status, orchestrator),
                processes_of,
                pipelines,
                PgVerifiedTables(tenants, settings.schemas),
                store,
                clock,
                settings.signing_key(),
                most=settings.verifications,
            )
            tables = PgDryRunTables(
                tenants, settings.dry_runs, settings.schemas, reserved=settings.dry_runs // 2
            )
            api = ProcessorApi(
                pipelines,
                undos,
                tables,
                PgTables(tenants, settings.schemas),
                loaded,
                verification,
                DocumentChecks(processes, settings.check_seconds),
                DryRunWork(processes, settings.check_seconds),
                idle_seconds=settings.dry_run_idle_seconds,
                most_seconds=settings.dry_run_seconds,
            )
            observe_places(tables, registry)
            records = PgProcessRecords(pool)
            removals = RemovalFollower(
                GrpcRemovalLog(status),
                PgRemovalInbox(pool, "processor"),
                lambda removal: records.remove(removal.process_id, removal.tenant, deleted=removal.deleted),
                clock,
                registry,
                poll_seconds=settings.removal_poll_seconds,
            )
            workers += [undos, removals]
            register = partial(
                processor_pb2_grpc.add_ProcessorServiceServicer_to_server,
                api,
            )
        yield Service(
            register=register,
            grpc_services=("ingestor.v1.ProcessorService",) if settings.serves else (),
            checks={"database": pool.check},
            of_workers=of_workers,
            workers=service_wide(*workers),
            interceptors=(guard,),
        )


def _nothing(server: grpc.aio.Server) -> None:
    """What a worker serves, beside health."""
