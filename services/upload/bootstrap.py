"""Builds the service's objects; no other module does."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from ingestor.access.build import build_guard
from ingestor.access.calls import CallSigner
from ingestor.access.scope import row_security
from ingestor.access.work import service_wide
from ingestor.removals.follower import RemovalFollower
from ingestor.removals.grpc_log import GrpcRemovalLog
from ingestor.removals.pg_inbox import PgRemovalInbox
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
from ingestor.services.upload.adapters.file_metrics import ProgramMetrics, observe_disks
from ingestor.services.upload.adapters.grpc_converter import GrpcConverter
from ingestor.services.upload.adapters.grpc_dry_runs import GrpcDryRuns
from ingestor.services.upload.adapters.grpc_ingestion import GrpcIngestion
from ingestor.services.upload.adapters.grpc_pipelines import GrpcPipelines
from ingestor.services.upload.adapters.grpc_processes import GrpcProcesses
from ingestor.services.upload.adapters.pg_samples import DeliveriesSample, StoredSample
from ingestor.services.upload.adapters.pg_uploads import PgUploads
from ingestor.services.upload.adapters.programs import StandBy
from ingestor.services.upload.adapters.scratch import Scratch
from ingestor.services.upload.adapters.subprocess_converter import SubprocessConverter, converter_limits
from ingestor.services.upload.api import UploadApi
from ingestor.services.upload.delivery import Cleaner, DeliveryWorker
from ingestor.services.upload.remover import UploadRemover
from ingestor.services.upload.service import Metrics, UploadService
from ingestor.services.upload.settings import UploadSettings
from ingestor.stores.open import for_work, open_store
from ingestor.v1 import upload_pb2_grpc


@asynccontextmanager
async def bootstrap(settings: UploadSettings, registry: CollectorRegistry) -> AsyncIterator[Service]:
    """Build everything, and close it all at the end. Raises RuntimeError when migrations are missing."""
    async with AsyncExitStack() as stack:
        database = Database.of(settings)
        pool = await stack.enter_async_context(
            open_pool(
                database,
                service="upload",
                schema="upload",
                size=settings.database_pool_size,
                prepare=row_security,
            )
        )
        await check_migrations(pool, schema="upload", package="ingestor.services.upload.migrations")
        clock = await open_clock(pool)
        guard, quotas = build_guard(settings, pool, registry)
        signer = CallSigner(settings.keyring(), "upload")
        connect = partial(open_channel, interceptors=signer.interceptors(), tls=settings.tls)
        orchestrator = await stack.enter_async_context(
            connect(settings.orchestrator_address, service="orchestrator")
        )
        processor = await stack.enter_async_context(connect(settings.processor_address, service="processor"))
        status = await stack.enter_async_context(connect(settings.status_address, service="status"))
        uploads = PgUploads(pool)
        store = await stack.enter_async_context(open_store(settings, AwsRequests(registry).observe))
        observe_pools(registry, pool)
        samples = (ClockSkew(pool, clock), DeliveriesSample(pool), StoredSample(pool))
        sampler = Sampler(registry, samples, seconds=settings.sample_seconds)
        ingestion = GrpcIngestion(orchestrator)
        folders = {"files": Path(settings.file_store_dir)} if settings.file_store == "disk" else {}
        converter: GrpcConverter | SubprocessConverter
        if settings.converter_address:
            converter = GrpcConverter(
                await stack.enter_async_context(connect(settings.converter_address, service="converter"))
            )
        else:
            scratch = Scratch(
                Path(settings.scratch_dir) if settings.scratch_dir else None, settings.disk_reserve_bytes
            )
            await asyncio.to_thread(scratch.remove_left)
            programs = await stack.enter_async_context(StandBy())
            converter = SubprocessConverter(
                for_work(store),
                scratch,
                ProgramMetrics(registry),
                converter_limits(settings),
                programs.running,
            )
            folders["scratch"] = Path(settings.scratch_dir or tempfile.gettempdir())
        observe_disks(folders, registry)
        ids = TimeOrderedIds(clock)
        new_delivery = asyncio.Event()
        pipelines = GrpcPipelines(orchestrator)
        service = UploadService(
            uploads,
            store,
            ingestion,
            pipelines,
            converter,
            GrpcDryRuns(processor),
            clock,
            ids,
            Metrics(registry),
            quotas,
            max_upload_bytes=settings.max_upload_bytes,
            max_chunk_bytes=settings.max_chunk_bytes,
            new_delivery=new_delivery,
        )
        worker = DeliveryWorker(
            uploads,
            ingestion,
            converter,
            pipelines,
            store,
            GrpcProcesses(status),
            clock,
            owner=ids.new(),
            at_once=settings.deliveries_at_once,
            lease_seconds=settings.lease_seconds,
            new_delivery=new_delivery,
        )
        removals = RemovalFollower(
            GrpcRemovalLog(status),
            PgRemovalInbox(pool, "upload"),
            UploadRemover(uploads, store, clock),
            clock,
            registry,
            poll_seconds=settings.removal_poll_seconds,
        )
        cleaner = Cleaner(uploads, store, clock, timedelta(days=settings.abandoned_days))
        yield Service(
            register=lambda server: upload_pb2_grpc.add_UploadServiceServicer_to_server(
                UploadApi(service, settings.file_store), server
            ),
            grpc_services=("ingestor.v1.UploadService",),
            checks={"database": pool.check, "file store": store.check},
            workers=service_wide(worker, cleaner, removals, sampler),
            interceptors=(guard,),
        )
