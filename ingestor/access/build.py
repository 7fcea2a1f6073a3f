"""Builds the guard of a service and what it knows of quotas, for the bootstraps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from ingestor.access.audit import AuditLog, AuditRecord, PgAuditLog
from ingestor.access.authenticator import Authenticator, ServicesOnly
from ingestor.access.directory import PgDirectory
from ingestor.access.guard import Guard
from ingestor.access.limits.pg_quotas import PgQuotas
from ingestor.access.limits.quotas import NO_LIMITS, QuotaLimits, QuotaName, Quotas
from ingestor.access.limits.shares import Most, Shares
from ingestor.access.limits.streams import StreamPlaces
from ingestor.access.settings import AccessSettings, InternalSettings
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
    defaults = {
        QuotaName.OPEN_UPLOADS: settings.max_open_uploads,
        QuotaName.BYTES_ANNOUNCED: settings.max_announced_bytes,
    }
    quotas = PgQuotas(pool, streams, defaults=defaults)
    shares = Shares(
        calls=Most(settings.max_calls_per_caller, settings.max_calls_per_tenant),
        streams=Most(settings.max_streams_per_caller, settings.max_streams_per_tenant),
        registry=registry,
    )
    guard = Guard(
        authenticator, PgAuditLog(pool), registry,
        platform_tenant=settings.platform_tenant, limits=quotas, streams=streams,
        shares=shares,
    )  # fmt: skip
    return guard, quotas


def build_internal_guard(settings: InternalSettings, registry: CollectorRegistry) -> Guard:
    """The guard of a server without a database, which only services call."""
    nobody = _Nobody()
    return Guard(
        ServicesOnly(settings.keyring()), nobody, registry,
        platform_tenant="", limits=nobody, streams=StreamPlaces(),
        shares=Shares(Most(0, 0), Most(0, 0), registry),
    )  # fmt: skip


class _Nobody(AuditLog, Quotas):
    """Where only services call: what they do is audited and counted where a person has asked for it."""

    async def write(self, record: AuditRecord) -> None:
        raise AssertionError("a call of a service is not audited")

    async def limits(self) -> QuotaLimits:
        return NO_LIMITS

    async def check_rows(self) -> None:
        """No rows are counted here."""
