"""Builds the service's objects; no other module does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import grpc
from prometheus_client import CollectorRegistry, Gauge

from ingestor.access.build import build_guard
from ingestor.access.limits.reads import Reads, ending, reads_of
from ingestor.access.scope import row_security
from ingestor.access.work import service_wide
from ingestor.internal.v1 import ledger_pb2_grpc
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.requests import AwsRequests
from ingestor.runtime.host import Service
from ingestor.runtime.observability.samples import Sampler
from ingestor.runtime.postgres.clock import open_clock
from ingestor.runtime.postgres.login import Database
from ingestor.runtime.postgres.migrations import check_migrations
from ingestor.runtime.postgres.pool import open_pool
from ingestor.runtime.postgres.pool_metrics import ClockSkew, observe_pools
from ingestor.runtime.retry import Retries
from ingestor.services.status.access.api import AccessApi
from ingestor.services.status.access.service import AccessService
from ingestor.services.status.adapters.access.pg_audit import PgAuditRecords
from ingestor.services.status.adapters.access.pg_keys import PgKeys
from ingestor.services.status.adapters.access.pg_members import PgMembers
from ingestor.services.status.adapters.access.pg_tenants import PgTenants
from ingestor.services.status.adapters.outcomes.pg_outcomes import PgOutcomes
from ingestor.services.status.adapters.pg_changes import PgChanges
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_outbox import PgOutbox
from ingestor.services.status.adapters.pg_reader import PgLedgerReader
from ingestor.services.status.adapters.pg_removals import PgRemovals
from ingestor.services.status.adapters.pg_samples import BacklogSample, OutboxSample
from ingestor.services.status.adapters.sqs_events import SqsEvents
from ingestor.services.status.api import LedgerApi, StatusApi
from ingestor.services.status.events.feed import EventFeed
from ingestor.services.status.events.publisher import Publisher
from ingestor.services.status.retention import Retention
from ingestor.services.status.service import Metrics, StatusService
from ingestor.services.status.settings import StatusSettings
from ingestor.v1 import access_pb2_grpc, status_pb2_grpc


@asynccontextmanager
async def bootstrap(settings: StatusSettings, registry: CollectorRegistry) -> AsyncIterator[Service]:
    """Build everything, and close it all at the end. Raises RuntimeError when migrations are missing."""
    async with AsyncExitStack() as stack:
        database = Database.of(settings)
        for_reads = reads_of(settings.database_pool_size)
        pool = await stack.enter_async_context(
            open_pool(
                database,
                service="status",
                schema="status",
                size=settings.database_pool_size - for_reads,
                prepare=row_security,
            )
        )
        read_pool = await stack.enter_async_context(
            open_pool(
                database,
                service="status",
                schema="status",
                size=for_reads,
                prepare=ending(settings.read_seconds),
            )
        )
        reads = Reads(read_pool, for_reads, settings.read_seconds)
        await check_migrations(pool, schema="status", package="ingestor.services.status.migrations")
        clock = await open_clock(pool)
        guard, quotas = build_guard(settings, pool, registry)
        sqs = await stack.enter_async_context(open_sqs(settings))
        events = SqsEvents(sqs, settings.events_queue)
        retries = Retries(registry)
        changes = PgChanges(database, retries)
        keep = timedelta(days=settings.retention_days) if settings.retention_days else None
        reader = PgLedgerReader(pool, keep, reads)
        removals = PgRemovals(pool)
        feed = EventFeed(reader, changes, retries)
        service = StatusService(
            PgLedger(pool), reader, reader, removals, changes, feed, clock, Metrics(registry),
            search_seconds=settings.read_seconds * 0.4,
        )  # fmt: skip
        audit = PgAuditRecords(pool, reads)
        access = AccessService(
            PgKeys(pool), PgMembers(pool), audit, quotas, PgTenants(pool), clock,
            platform_tenant=settings.platform_tenant,
        )  # fmt: skip
        retention = Retention(removals, audit, clock, keep, timedelta(days=settings.audit_retention_days))
        keep_events = timedelta(days=settings.event_retention_days)
        publisher = Publisher(PgOutbox(pool), events, clock, keep_events, registry)
        observe_pools(registry, pool, read_pool)
        AwsRequests(registry).observe(sqs)
        samples = (ClockSkew(pool, clock), BacklogSample(pool), OutboxSample(pool))
        sampler = Sampler(registry, samples, seconds=settings.sample_seconds)
        watchers = Gauge("ingestor_watchers", "Open WatchProcess streams.", registry=registry)
        watchers.set_function(lambda: changes.watchers)
        event_watchers = Gauge("ingestor_event_watchers", "Open WatchEvents streams.", registry=registry)
        event_watchers.set_function(lambda: feed.watchers)

        def register(server: grpc.aio.Server) -> None:
            status_pb2_grpc.add_StatusServiceServicer_to_server(StatusApi(service), server)
            access_pb2_grpc.add_AccessServiceServicer_to_server(AccessApi(access), server)
            ledger_pb2_grpc.add_LedgerServiceServicer_to_server(LedgerApi(service, PgOutcomes(pool)), server)

        yield Service(
            register=register,
            grpc_services=(
                "ingestor.v1.StatusService",
                "ingestor.v1.AccessService",
                "ingestor.internal.v1.LedgerService",
            ),
            checks={"database": pool.check},
            of_workers={"events queue": events.check},
            workers=service_wide(changes, feed, publisher, retention, sampler),
            interceptors=(guard,),
        )
