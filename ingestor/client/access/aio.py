"""The calls about who may do what, asynchronous: `client.access`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ingestor.client.access.models import (
    ApiKey,
    AuditRecord,
    Identity,
    Member,
    Quota,
    Role,
    Tenant,
    role_numbers,
)
from ingestor.v1 import access_pb2

if TYPE_CHECKING:
    from ingestor.client.gateway import Gateway


class AsyncAccess:
    """Who one is; keys, members, quotas and the audit log of one's tenant. All but `whoami` and `quotas` is
    for admins: PermissionDeniedError (ROLE_MISSING)."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def whoami(self, timeout: float | None = None) -> Identity:
        """Who one is, and what one may do."""
        request = access_pb2.GetAccessRequest()
        return Identity.of(await self._gateway.call(self._gateway.access.GetAccess, request, timeout))

    def keys(self, timeout: float | None = None) -> AsyncIterator[ApiKey]:
        """The tenant's API keys, newest first, also revoked and expired ones."""

        async def fetch(size: int, token: str) -> tuple[list[ApiKey], str]:
            request = access_pb2.ListKeysRequest(page_size=size, page_token=token)
            answer = await self._gateway.call(self._gateway.access.ListKeys, request, timeout)
            return [ApiKey.of(raw) for raw in answer.keys], answer.next_page_token

        return self._gateway.pages(fetch)

    async def create_key(
        self,
        name: str,
        roles: Iterable[Role | str],
        pipelines: Iterable[str] = (),
        expires: datetime | None = None,
        timeout: float | None = None,
    ) -> ApiKey:
        """Create a key; its `token` is in this answer and nowhere else. `roles`: none that one lacks.
        `pipelines`: those that it is for (none: all). `expires`: an aware time; None: never. Raises
        InvalidArgumentError; ValueError for a role that does not exist. Not repeated when the connection is
        lost: UnavailableError, and there may be a key that nobody knows; revoke it."""
        request = access_pb2.CreateKeyRequest(name=name, roles=role_numbers(roles), pipelines=list(pipelines))
        if expires is not None:
            request.expire_time.FromDatetime(expires)
        answer = await self._gateway.call(self._gateway.access.CreateKey, request, timeout, repeat=False)
        return ApiKey.of(answer.key, answer.token)

    async def revoke_key(self, prefix: str, timeout: float | None = None) -> ApiKey:
        """Revoke a key for good; itself. Raises NotFoundError (KEY_NOT_FOUND)."""
        request = access_pb2.RevokeKeyRequest(prefix=prefix)
        answer = await self._gateway.call(self._gateway.access.RevokeKey, request, timeout)
        return ApiKey.of(answer.key)

    def members(self, timeout: float | None = None) -> AsyncIterator[Member]:
        """The tenant's members by subject, without those whose roles come from their token only."""

        async def fetch(size: int, token: str) -> tuple[list[Member], str]:
            request = access_pb2.ListMembersRequest(page_size=size, page_token=token)
            answer = await self._gateway.call(self._gateway.access.ListMembers, request, timeout)
            return [Member.of(raw) for raw in answer.members], answer.next_page_token

        return self._gateway.pages(fetch)

    async def set_member(
        self, subject: str, roles: Iterable[Role | str], timeout: float | None = None
    ) -> Member:
        """Give a person (the subject of its tokens, or its verified e-mail address) these roles instead of
        those that it has. Raises InvalidArgumentError; ValueError for a role that does not exist."""
        request = access_pb2.SetMemberRequest(subject=subject, roles=role_numbers(roles))
        answer = await self._gateway.call(self._gateway.access.SetMember, request, timeout)
        return Member.of(answer.member)

    async def remove_member(self, subject: str, timeout: float | None = None) -> None:
        """Take a person's roles away; harmless when it has none."""
        request = access_pb2.RemoveMemberRequest(subject=subject)
        await self._gateway.call(self._gateway.access.RemoveMember, request, timeout)

    async def quotas(self, timeout: float | None = None) -> list[Quota]:
        """Every quota of the tenant, limited or not, and how much is used."""
        request = access_pb2.GetQuotasRequest()
        answer = await self._gateway.call(self._gateway.access.GetQuotas, request, timeout)
        return [Quota.of(raw) for raw in answer.quotas]

    def audit(
        self,
        subject: str = "",
        method: str = "",
        object: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[AuditRecord]:
        """The tenant's audit log, newest first: records of this subject, of this method (as
        `ingestor.v1.StatusService/DeleteProcess`), about this object, from `start` until before `end`."""

        async def fetch(size: int, token: str) -> tuple[list[AuditRecord], str]:
            request = access_pb2.ListAuditRecordsRequest(
                page_size=size, page_token=token, subject=subject, method=method, object=object
            )
            if start is not None:
                request.start_time.FromDatetime(start)
            if end is not None:
                request.end_time.FromDatetime(end)
            answer = await self._gateway.call(self._gateway.access.ListAuditRecords, request, timeout)
            return [AuditRecord.of(raw) for raw in answer.records], answer.next_page_token

        return self._gateway.pages(fetch, limit)

    def tenants(self, timeout: float | None = None) -> AsyncIterator[Tenant]:
        """All tenants by name; only for admins of the platform."""

        async def fetch(size: int, token: str) -> tuple[list[Tenant], str]:
            request = access_pb2.ListTenantsRequest(page_size=size, page_token=token)
            answer = await self._gateway.call(self._gateway.access.ListTenants, request, timeout)
            return [Tenant.of(raw) for raw in answer.tenants], answer.next_page_token

        return self._gateway.pages(fetch)

    async def set_quotas(
        self, tenant: str, limits: Mapping[str, int | None], timeout: float | None = None
    ) -> Tenant:
        """Set limits of a tenant, by name (None: no limit); those that are not named stay. Only for admins of
        the platform. Raises NotFoundError (TENANT_NOT_FOUND), InvalidArgumentError."""
        request = access_pb2.SetQuotasRequest(
            tenant=tenant,
            quotas=[access_pb2.Quota(name=name, limit=limit) for name, limit in limits.items()],
        )
        answer = await self._gateway.call(self._gateway.access.SetQuotas, request, timeout)
        return Tenant.of(answer.tenant)
