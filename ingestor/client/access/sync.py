"""The calls about who may do what, for plain code: `client.access`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from ingestor.client.access.aio import AsyncAccess
from ingestor.client.access.models import ApiKey, AuditRecord, Identity, Member, Quota, Role, Tenant
from ingestor.client.sync_process import Runner, documented_by


@documented_by(AsyncAccess)
class Access:
    """AsyncAccess for plain code."""

    def __init__(self, runner: Runner, access: AsyncAccess) -> None:
        self._runner = runner
        self._async = access

    def whoami(self, timeout: float | None = None) -> Identity:
        """See AsyncAccess.whoami."""
        return self._runner.run(self._async.whoami(timeout))

    def keys(self, timeout: float | None = None) -> Iterator[ApiKey]:
        """See AsyncAccess.keys."""
        return self._runner.iterate(self._async.keys(timeout))

    def create_key(
        self,
        name: str,
        roles: Iterable[Role | str],
        pipelines: Iterable[str] = (),
        expires: datetime | None = None,
        timeout: float | None = None,
    ) -> ApiKey:
        """See AsyncAccess.create_key."""
        return self._runner.run(self._async.create_key(name, roles, pipelines, expires, timeout))

    def revoke_key(self, prefix: str, timeout: float | None = None) -> ApiKey:
        """See AsyncAccess.revoke_key."""
        return self._runner.run(self._async.revoke_key(prefix, timeout))

    def members(self, timeout: float | None = None) -> Iterator[Member]:
        """See AsyncAccess.members."""
        return self._runner.iterate(self._async.members(timeout))

    def set_member(self, subject: str, roles: Iterable[Role | str], timeout: float | None = None) -> Member:
        """See AsyncAccess.set_member."""
        return self._runner.run(self._async.set_member(subject, roles, timeout))

    def remove_member(self, subject: str, timeout: float | None = None) -> None:
        """See AsyncAccess.remove_member."""
        self._runner.run(self._async.remove_member(subject, timeout))

    def quotas(self, timeout: float | None = None) -> list[Quota]:
        """See AsyncAccess.quotas."""
        return self._runner.run(self._async.quotas(timeout))

    def audit(
        self,
        subject: str = "",
        method: str = "",
        object: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[AuditRecord]:
        """See AsyncAccess.audit."""
        records = self._async.audit(subject, method, object, start, end, limit, timeout)
        return self._runner.iterate(records)

    def tenants(self, timeout: float | None = None) -> Iterator[Tenant]:
        """See AsyncAccess.tenants."""
        return self._runner.iterate(self._async.tenants(timeout))

    def set_quotas(
        self, tenant: str, limits: Mapping[str, int | None], timeout: float | None = None
    ) -> Tenant:
        """See AsyncAccess.set_quotas."""
        return self._runner.run(self._async.set_quotas(tenant, limits, timeout))
