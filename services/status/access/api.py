"""The gRPC API of access: translates each request, calls one use case and translates its result."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ingestor.access.limits.quotas import QuotaUse
from ingestor.access.principal import Principal, current_principal
from ingestor.access.roles import Role, role_from, role_number
from ingestor.runtime.grpc.requests import read_page_size, read_time, write_time, wrong
from ingestor.services.status.access.ports import (
    ApiKey,
    AuditEntry,
    AuditFilter,
    Member,
    TenantInfo,
)
from ingestor.services.status.access.service import AccessService
from ingestor.v1 import access_pb2, access_pb2_grpc, authorization_pb2

Context = Any


class AccessApi(access_pb2_grpc.AccessServiceServicer):
    """See AccessService in protos/ingestor/v1/access.proto."""

    def __init__(self, service: AccessService) -> None:
        self._service = service

    async def GetAccess(
        self, request: access_pb2.GetAccessRequest, context: Context
    ) -> access_pb2.GetAccessResponse:
        principal = _caller()
        found = self._service.access(principal)
        expires = principal.expires_at
        return access_pb2.GetAccessResponse(
            subject=principal.subject,
            display_name=principal.display_name or principal.subject,
            tenant=principal.tenant,
            roles=_roles(principal.roles),
            tenants=principal.tenants,
            methods=found.methods,
            platform_admin=found.platform_admin,
            expire_time=write_time(None if expires is None else datetime.fromtimestamp(expires, UTC)),
            pipelines=sorted(principal.pipelines),
        )

    async def ListKeys(
        self, request: access_pb2.ListKeysRequest, context: Context
    ) -> access_pb2.ListKeysResponse:
        found, token = await self._service.keys(request.page_token, read_page_size(request.page_size))
        return access_pb2.ListKeysResponse(keys=map(_key, found), next_page_token=token)

    async def CreateKey(
        self, request: access_pb2.CreateKeyRequest, context: Context
    ) -> access_pb2.CreateKeyResponse:
        expires = read_time("expire_time", request.expire_time) if request.HasField("expire_time") else None
        made, token = await self._service.create_key(
            _caller(), request.name, _read_roles(request.roles), request.pipelines, expires
        )
        return access_pb2.CreateKeyResponse(key=_key(made), token=token)

    async def RevokeKey(
        self, request: access_pb2.RevokeKeyRequest, context: Context
    ) -> access_pb2.RevokeKeyResponse:
        return access_pb2.RevokeKeyResponse(key=_key(await self._service.revoke_key(request.prefix)))

    async def ListMembers(
        self, request: access_pb2.ListMembersRequest, context: Context
    ) -> access_pb2.ListMembersResponse:
        found, token = await self._service.members(request.page_token, read_page_size(request.page_size))
        return access_pb2.ListMembersResponse(members=map(_member, found), next_page_token=token)

    async def SetMember(
        self, request: access_pb2.SetMemberRequest, context: Context
    ) -> access_pb2.SetMemberResponse:
        made = await self._service.set_member(_caller(), request.subject, _read_roles(request.roles))
        return access_pb2.SetMemberResponse(member=_member(made))

    async def RemoveMember(
        self, request: access_pb2.RemoveMemberRequest, context: Context
    ) -> access_pb2.RemoveMemberResponse:
        await self._service.remove_member(request.subject)
        return access_pb2.RemoveMemberResponse()

    async def GetQuotas(
        self, request: access_pb2.GetQuotasRequest, context: Context
    ) -> access_pb2.GetQuotasResponse:
        return access_pb2.GetQuotasResponse(quotas=map(_quota, await self._service.quotas()))

    async def ListAuditRecords(
        self, request: access_pb2.ListAuditRecordsRequest, context: Context
    ) -> access_pb2.ListAuditRecordsResponse:
        of = AuditFilter(
            request.subject,
            request.method,
            request.object,
            read_time("start_time", request.start_time) if request.HasField("start_time") else None,
            read_time("end_time", request.end_time) if request.HasField("end_time") else None,
        )
        found, token = await self._service.audit(of, request.page_token, read_page_size(request.page_size))
        return access_pb2.ListAuditRecordsResponse(records=map(_record, found), next_page_token=token)

    async def ListTenants(
        self, request: access_pb2.ListTenantsRequest, context: Context
    ) -> access_pb2.ListTenantsResponse:
        found, token = await self._service.tenants(request.page_token, read_page_size(request.page_size))
        return access_pb2.ListTenantsResponse(tenants=map(_tenant, found), next_page_token=token)

    async def SetQuotas(
        self, request: access_pb2.SetQuotasRequest, context: Context
    ) -> access_pb2.SetQuotasResponse:
        limits: dict[str, int | None] = {}
        for quota in request.quotas:
            if quota.name in limits:
                raise wrong("quotas", f"names {quota.name[:40]} twice")
            limits[quota.name] = quota.limit if quota.HasField("limit") else None
        return access_pb2.SetQuotasResponse(
            tenant=_tenant(await self._service.set_quotas(request.tenant, limits))
        )


def _caller() -> Principal:
    principal = current_principal()
    assert principal is not None, "the guard lets nobody else in"
    return principal


def _read_roles(numbers: Iterable[int]) -> frozenset[Role]:
    """The roles of a request; at least one. Raises InvalidArgumentError."""
    roles = [role_from(number) for number in numbers]
    if not roles or None in roles:
        raise wrong("roles", f"must have at least one of {', '.join(Role)}, and no other")
    return frozenset(role for role in roles if role)


def _roles(roles: frozenset[Role]) -> list[authorization_pb2.Role.ValueType]:
    return sorted(map(role_number, roles))


def _key(key: ApiKey) -> access_pb2.ApiKey:
    return access_pb2.ApiKey(
        prefix=key.prefix, name=key.name, roles=_roles(key.roles), pipelines=key.pipelines,
        creator=key.creator, create_time=write_time(key.created), expire_time=write_time(key.expires),
        last_use_time=write_time(key.used), revoke_time=write_time(key.revoked),
    )  # fmt: skip


def _member(member: Member) -> access_pb2.Member:
    return access_pb2.Member(
        subject=member.subject, roles=_roles(member.roles), creator=member.creator,
        update_time=write_time(member.updated),
    )  # fmt: skip


def _quota(quota: QuotaUse) -> access_pb2.Quota:
    return access_pb2.Quota(
        name=quota.name, limit=quota.limit, used=quota.used, reset_time=write_time(quota.resets)
    )


def _record(entry: AuditEntry) -> access_pb2.AuditRecord:
    return access_pb2.AuditRecord(
        sequence=entry.sequence, time=write_time(entry.time), subject=entry.subject,
        roles=_roles(entry.roles), method=entry.method, object=entry.object, outcome=entry.outcome,
        reason=entry.reason, address=entry.address, trace_id=entry.trace_id,
    )  # fmt: skip


def _tenant(found: TenantInfo) -> access_pb2.Tenant:
    return access_pb2.Tenant(
        name=found.name,
        create_time=write_time(found.created),
        quotas=[access_pb2.Quota(name=name, limit=limit) for name, limit in found.limits.items()],
    )
