"""Who may call the small suite of tests/fakes/gateway.py, and its AccessService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc

from ingestor.runtime.errors import NotFoundError, ServiceError, UnauthenticatedError, to_rpc_status
from ingestor.runtime.grpc.handlers import replaced
from ingestor.v1 import access_pb2, access_pb2_grpc, authorization_pb2

Context = grpc.aio.ServicerContext[Any, Any]
EXPIRED = UnauthenticatedError("TOKEN_EXPIRED", "The token has expired; renew it and call again.")


async def abort(context: Context, error: ServiceError) -> None:
    """End a call as the suite does: with a google.rpc.Status among the trailing metadata."""
    details = to_rpc_status(error).SerializeToString()
    await context.abort(error.code, error.message, trailing_metadata=(("grpc-status-details-bin", details),))


@dataclass
class Door(grpc.aio.ServerInterceptor):
    """Notes the tokens and tenants of calls. Lets everybody in as long as `tokens` is None, else who has one
    of them; `error` is raised for the others."""

    tokens: set[str] | None = None
    error: ServiceError = EXPIRED
    seen: list[tuple[str, str, str]] = field(default_factory=list)  # method, token, tenant
    expired: asyncio.Event = field(default_factory=asyncio.Event)  # streams end by it

    def expire(self, *tokens: str) -> None:
        """From now on only these tokens are let in; streams end."""
        self.tokens = set(tokens)
        self.expired.set()
        self.expired = asyncio.Event()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Refuse who has none of the tokens."""
        handler = await continuation(handler_call_details)
        metadata = {str(key): str(value) for key, value in handler_call_details.invocation_metadata}
        token = metadata.get("authorization", "").removeprefix("Bearer ")
        method = handler_call_details.method.rpartition("/")[2]
        self.seen.append((method, token, metadata.get("ingestor-tenant", "")))
        if handler is None:
            return None

        async def one(request: Any, context: Context) -> Any:
            if self.tokens is not None and token not in self.tokens:
                await abort(context, self.error)
            if not handler.request_streaming:
                return await handler.unary_unary(request, context)
            working = asyncio.ensure_future(handler.stream_unary(request, context))
            await self._until_expired(working, context)
            return await working

        async def many(request: Any, context: Context) -> AsyncIterator[Any]:
            answers = aiter(handler.unary_stream(request, context))
            while True:
                # Also in the midst: it may have expired while an answer was sent.
                if self.tokens is not None and token not in self.tokens:
                    await abort(context, self.error)
                following = asyncio.ensure_future(anext(answers, None))
                await self._until_expired(following, context)
                if (answer := await following) is None:
                    return
                yield answer

        return replaced(handler, one, many)

    async def _until_expired(self, working: asyncio.Future[Any], context: Context) -> None:
        expiring = asyncio.ensure_future(self.expired.wait())
        try:
            await asyncio.wait([working, expiring], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await abort(context, self.error)
        finally:
            expiring.cancel()
            if not working.done():
                working.cancel()
            await asyncio.gather(working, return_exceptions=True)


@dataclass
class Access(access_pb2_grpc.AccessServiceServicer):
    """An admin of acme, with its keys and members."""

    keys: dict[str, access_pb2.ApiKey] = field(default_factory=dict)
    members: dict[str, access_pb2.Member] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=lambda: {"pipelines": 5})
    audited: list[access_pb2.ListAuditRecordsRequest] = field(default_factory=list)

    async def GetAccess(
        self, request: access_pb2.GetAccessRequest, context: Context
    ) -> access_pb2.GetAccessResponse:
        answer = access_pb2.GetAccessResponse(
            subject="anna", display_name="Anna", tenant="acme", tenants=["acme", "globex"],
            roles=[authorization_pb2.ROLE_ADMIN], methods=["ingestor.v1.AccessService/GetAccess"],
        )  # fmt: skip
        answer.expire_time.FromJsonString("2030-01-02T03:04:05Z")
        return answer

    async def CreateKey(
        self, request: access_pb2.CreateKeyRequest, context: Context
    ) -> access_pb2.CreateKeyResponse:
        prefix = f"ing_{len(self.keys):08}"
        key = access_pb2.ApiKey(
            prefix=prefix, name=request.name, roles=request.roles, pipelines=request.pipelines, creator="anna"
        )
        key.create_time.FromDatetime(datetime(2026, 1, 2, tzinfo=UTC))
        if request.HasField("expire_time"):
            key.expire_time.CopyFrom(request.expire_time)
        self.keys[prefix] = key
        return access_pb2.CreateKeyResponse(key=key, token=f"{prefix}_secret")

    async def ListKeys(
        self, request: access_pb2.ListKeysRequest, context: Context
    ) -> access_pb2.ListKeysResponse:
        first = int(request.page_token or 0)
        found = list(self.keys.values())[first : first + 2]
        more = first + 2 < len(self.keys)
        return access_pb2.ListKeysResponse(keys=found, next_page_token=str(first + 2) if more else "")

    async def RevokeKey(
        self, request: access_pb2.RevokeKeyRequest, context: Context
    ) -> access_pb2.RevokeKeyResponse:
        if request.prefix not in self.keys:
            await abort(context, NotFoundError("KEY_NOT_FOUND", f"There is no key {request.prefix}."))
        key = self.keys[request.prefix]
        key.revoke_time.FromDatetime(datetime(2026, 1, 3, tzinfo=UTC))
        return access_pb2.RevokeKeyResponse(key=key)

    async def ListMembers(
        self, request: access_pb2.ListMembersRequest, context: Context
    ) -> access_pb2.ListMembersResponse:
        return access_pb2.ListMembersResponse(members=self.members.values())

    async def SetMember(
        self, request: access_pb2.SetMemberRequest, context: Context
    ) -> access_pb2.SetMemberResponse:
        member = access_pb2.Member(subject=request.subject, roles=request.roles, creator="anna")
        member.update_time.FromDatetime(datetime(2026, 1, 2, tzinfo=UTC))
        self.members[request.subject] = member
        return access_pb2.SetMemberResponse(member=member)

    async def RemoveMember(
        self, request: access_pb2.RemoveMemberRequest, context: Context
    ) -> access_pb2.RemoveMemberResponse:
        self.members.pop(request.subject, None)
        return access_pb2.RemoveMemberResponse()

    async def GetQuotas(
        self, request: access_pb2.GetQuotasRequest, context: Context
    ) -> access_pb2.GetQuotasResponse:
        quota = access_pb2.Quota(name="rows_per_day", limit=1_000_000, used=1234)
        quota.reset_time.FromDatetime(datetime(2026, 1, 3, tzinfo=UTC))
        return access_pb2.GetQuotasResponse(quotas=[quota, access_pb2.Quota(name="pipelines", used=2)])

    async def ListAuditRecords(
        self, request: access_pb2.ListAuditRecordsRequest, context: Context
    ) -> access_pb2.ListAuditRecordsResponse:
        self.audited.append(request)
        record = access_pb2.AuditRecord(
            sequence=7, subject="bob", roles=[authorization_pb2.ROLE_OPERATOR],
            method="ingestor.v1.StatusService/DeleteProcess", object="p1", outcome="OK", address="10.0.0.7",
        )  # fmt: skip
        record.time.FromDatetime(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        return access_pb2.ListAuditRecordsResponse(records=[record])

    async def ListTenants(
        self, request: access_pb2.ListTenantsRequest, context: Context
    ) -> access_pb2.ListTenantsResponse:
        return access_pb2.ListTenantsResponse(tenants=[self._tenant("acme")])

    async def SetQuotas(
        self, request: access_pb2.SetQuotasRequest, context: Context
    ) -> access_pb2.SetQuotasResponse:
        for quota in request.quotas:
            self.limits.pop(quota.name, None)
            if quota.HasField("limit"):
                self.limits[quota.name] = quota.limit
        return access_pb2.SetQuotasResponse(tenant=self._tenant(request.tenant))

    def _tenant(self, name: str) -> access_pb2.Tenant:
        quotas = [access_pb2.Quota(name=each, limit=limit) for each, limit in self.limits.items()]
        return access_pb2.Tenant(name=name, quotas=quotas)
