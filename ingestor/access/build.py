"""Builds the guard of a service and what it knows of quotas, for the bootstraps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from ingestor.access.audit import PgAuditLog
from ingestor.access.authenticator import Authenticator
from ingestor.access.directory import PgDirectory
from ingestor.access.guard import Guard
from ingestor.access.limits.pg_quotas import PgQuotas
from ingestor.access.limits.streams import StreamPlaces
from ingestor.access.settings import AccessSettings
from ingestor.access.tokens import TokenChecker, key_source

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool


def build_guard(
    settings: AccessSettings, pool: PgPool, registry: CollectorRegistry
) -> tuple[Guard, PgQuotas]:
    """The guard, as the settings say, and the quotas."""
    tokens = TokenChecker(settings, key_source(settings)) if settings.oidc_issuer else None
    local = settings.auth == "local"
    authenticator = Authenticator(settings.keyring(), PgDirectory(pool), tokens, local=local)
    streams = StreamPlaces()
    quotas = PgQuotas(pool, streams)
    guard = Guard(
        authenticator, PgAuditLog(pool), registry,
        platform_tenant=settings.platform_tenant, limits=quotas, streams=streams,
    )  # fmt: skip
    return guard, quotas
