"""The guard of every gRPC server: who calls, whether it may, in which tenant the call runs, how long a stream
may last, and what the audit log says of it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any
from urllib.parse import unquote

import grpc
import structlog
from prometheus_client import CollectorRegistry, Counter

from ingestor.access import scope
from ingestor.access.audit import AuditLog, AuditRecord, object_of
from ingestor.access.authenticator import REMEMBERED_SECONDS, TENANT, Callers
from ingestor.access.calls import CALL
from ingestor.access.directory import is_of_removed_tenant
from ingestor.access.limits.pipelines import check_call
from ingestor.access.limits.quotas import QuotaExceededError, Quotas
from ingestor.access.limits.shares import Shares
from ingestor.access.limits.streams import StreamPlaces
from ingestor.access.principal import Principal, set_principal
from ingestor.access.roles import MethodAccess, Role, may, methods, public_methods, roles_of
from ingestor.runtime.errors import (
    PermissionDeniedError,
    ServiceError,
    TransientError,
    UnauthenticatedError,
)
from ingestor.runtime.grpc.credentials import peer_names
from ingestor.runtime.grpc.handlers import behaviour_of, each, replaced
from ingestor.runtime.grpc.messages import check_texts
from ingestor.runtime.observability import spans, tracing

log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
# Health is open. Reflection, where a server has it, is for everybody who is signed in.
_OPEN = "grpc.health.v1.Health/"
GATEWAY = "gateway"  # in its certificate
_PEER = re.compile(r"ipv[46]:\[?(.*?)\]?:\d+")  # as gRPC writes it
# Metadata that says who calls: of two of them, another part of the suite might have looked at the other one.
_ONCE = ("authorization", TENANT, CALL)
_REFLECTION = MethodAccess(anyone_signed_in=True)


class Guard(grpc.aio.ServerInterceptor):
    """Lets a call in, or raises UnauthenticatedError or PermissionDeniedError."""

    def __init__(
        self,
        authenticator: Callers,
        audit: AuditLog,
        registry: CollectorRegistry,
        *,
        platform_tenant: str,
        limits: Quotas,
        streams: StreamPlaces,
        shares: Shares,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`streams`: those that are open here, for the quota. `shares`: what runs here, for the share of each
        caller."""
        self._limits = limits
        self._streams = streams
        self._shares = shares
        self._authenticator = authenticator
        self._audit = audit
        self._platform = platform_tenant
        self._clock = clock
        self._refused = Counter(
            "ingestor_calls_refused_total", "Calls without a valid token or the right role.", ["reason"],
            registry=registry,
        )  # fmt: skip
        self._over_quota = Counter(
            "ingestor_quota_refusals_total", "Calls that a quota of their tenant did not allow.", ["quota"],
            registry=registry,
        )  # fmt: skip
        self._unaudited = Counter(
            "ingestor_audit_failures_total", "Calls that the audit log lacks.", registry=registry
        )

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the method's behaviour, whichever of the four kinds of RPC it is."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method.removeprefix("/")
        if handler is None or method.startswith(_OPEN):
            return handler
        sent = [
            (key, value) for key, value in handler_call_details.invocation_metadata if isinstance(value, str)
        ]
        metadata = dict(sent)
        twice = next((name for name in _ONCE if sum(key == name for key, _ in sent) > 1), "")
        inner = behaviour_of(handler)
        streams = bool(handler.request_streaming or handler.response_streaming)

        async def answer_one(request: Any, context: Context) -> Any:
            one = None if handler.request_streaming else request
            async with self._call(method, metadata, twice, context, streams, one) as call:
                call.response = await inner(call.messages(request) if one is None else one, context)
                return call.response

        async def answer_many(request: Any, context: Context) -> AsyncIterator[Any]:
            one = None if handler.request_streaming else request
            async with self._call(method, metadata, twice, context, streams, one) as call:
                responses = inner(call.messages(request) if one is None else one, context)
                async for response in each(responses):
                    yield response

        return replaced(handler, answer_one, answer_many)

    @asynccontextmanager
    async def _call(
        self,
        method: str,
        metadata: Mapping[str, str],
        twice: str,
        context: Context,
        streams: bool,
        request: Any,
    ) -> AsyncIterator[_Call]:
        """One call: refused before anything else, ended with its token, and audited. `twice`: metadata that
        was sent more than once, but must not be. `request`: None for a stream of requests."""
        access = _REFLECTION if not method.startswith("ingestor.") else methods().get(method)
        try:
            if twice:
                raise UnauthenticatedError("TOKEN_INVALID", f"The metadata {twice} must be sent only once.")
            principal = await self._authenticator.principal(metadata, _address(metadata, context))
            _check_certificate(principal, context)
        except ServiceError as error:
            self._refused.labels(error.reason).inc()
            raise
        set_principal(principal)
        scope.enter(principal.tenant)
        structlog.contextvars.bind_contextvars(tenant=principal.tenant, principal=principal.subject)
        spans.note(tenant=principal.tenant)
        # Before the audit log, which is not for calls that nothing was done for.
        with self._shares.place(principal, "streams" if streams else "calls"):
            async with self._of(principal, access, method, metadata, context, streams, request) as call:
                yield call

    @asynccontextmanager
    async def _of(
        self,
        principal: Principal,
        access: MethodAccess | None,
        method: str,
        metadata: Mapping[str, str],
        context: Context,
        streams: bool,
        request: Any,
    ) -> AsyncIterator[_Call]:
        """A call of a known caller that has a place."""
        call = _Call(request, lambda one, first: self._check_message(principal, method, one, first))
        watched = streams and principal.kind in ("person", "key")
        ended = asyncio.create_task(self._end_with_token(principal, metadata, call)) if watched else None
        outcome, reason = "OK", ""
        try:
            self._check(principal, access)
            if request is not None:
                self._check_message(principal, method, request)
            with await self._place(principal) if streams else nullcontext():
                yield call
        except asyncio.CancelledError:
            outcome, reason = "CANCELLED", ""
            if call.over is None:
                raise
            outcome, reason = call.over.code.name, call.over.reason
            raise call.over from None
        except ServiceError as error:
            outcome, reason = error.code.name, error.reason
            if isinstance(error, QuotaExceededError):
                self._over_quota.labels(error.name).inc()
            raise
        except TransientError:
            outcome = "UNAVAILABLE"
            raise
        except Exception as error:
            if is_of_removed_tenant(error):  # a call that was on its way when it was removed
                outcome, reason = PermissionDeniedError.code.name, "TENANT_UNKNOWN"
                raise PermissionDeniedError(reason, "There is no such tenant, or it was removed.") from error
            outcome = "INTERNAL"
            raise
        finally:
            if ended:
                ended.cancel()
            if access is not None and access.audited and principal.kind != "service":
                await self._write(
                    AuditRecord(
                        principal, method, object_of(call.request, call.response), outcome, reason,
                        _address(metadata, context), tracing.current_trace_id() or "",
                    )
                )  # fmt: skip

    async def _place(self, principal: Principal) -> AbstractContextManager[None]:
        """A place among the tenant's streams; those between services need none."""
        if principal.kind == "service":
            return nullcontext()
        return self._streams.place(principal.tenant, await self._limits.limits())

    def _check(self, principal: Principal, access: MethodAccess | None) -> None:
        """Raise PermissionDeniedError unless the principal may call the method."""
        if access is None:
            self._refused.labels("METHOD_CLOSED").inc()
            raise PermissionDeniedError("METHOD_CLOSED", "Nobody may call this method.")
        if principal.kind == "service":
            if principal.service not in access.services:
                self._refused.labels("ROLE_MISSING").inc()
                raise PermissionDeniedError("ROLE_MISSING", "This service may not call this method.")
            return
        if not may(principal.roles, access, platform=principal.tenant == self._platform):
            self._refused.labels("ROLE_MISSING").inc()
            raise PermissionDeniedError("ROLE_MISSING", _needed(access, self._platform))

    def _check_message(self, principal: Principal, method: str, request: Any, first: bool = True) -> None:
        """Raise InvalidArgumentError for a text that nothing can have, PermissionDeniedError for other
        pipelines than those of a key, of which the first message of a stream says the name."""
        if method in public_methods():
            check_texts(request)
        if first:
            self._check_pipelines(principal, method, request)

    def _check_pipelines(self, principal: Principal, method: str, request: Any) -> None:
        """Raise PermissionDeniedError when a key is for other pipelines. Services ask for whom they work, and
        status looks."""
        if principal.kind == "service" or method not in methods():
            return
        try:
            check_call(principal, method, request)
        except PermissionDeniedError as error:
            self._refused.labels(error.reason).inc()
            raise

    async def _end_with_token(self, principal: Principal, metadata: Mapping[str, str], call: _Call) -> None:
        """End a stream when its token or key ends: looked at when it expires, and every few seconds for a key
        that was revoked or a role that was taken away."""
        while True:
            wait = REMEMBERED_SECONDS
            if principal.expires_at is not None:
                wait = min(wait, max(0.0, principal.expires_at - self._clock()))
            await asyncio.sleep(wait)
            try:
                if principal.expires_at is not None and principal.expires_at <= self._clock():
                    raise UnauthenticatedError(
                        "TOKEN_EXPIRED", "The token has expired; renew it and call again."
                    )
                now = await self._authenticator.principal(metadata)
                if now.tenant != principal.tenant or not principal.roles <= now.roles:
                    raise PermissionDeniedError("ROLE_MISSING", "Your role was taken away.")
            except ServiceError as error:
                call.over = error
                call.task.cancel()
                return
            except TransientError as error:  # the next look may succeed; the token's own end holds anyway
                log.warning("a stream's token could not be checked again", error=str(error))

    async def _write(self, record: AuditRecord) -> None:
        """The call has had its effect, so a failure is told to whoever runs the suite, not to the caller."""
        try:
            await asyncio.shield(self._audit.write(record))
        except Exception as error:
            self._unaudited.inc()
            log.error(
                "the audit log lacks a call", method=record.method, object=record.object,
                outcome=record.outcome, exc_info=error,
            )  # fmt: skip


def _check_certificate(principal: Principal, context: Context) -> None:
    """With TLS, the certificate of a caller that says it is a service must name it too."""
    names = peer_names(context)
    if names is not None and principal.kind == "service" and principal.service not in names:
        raise UnauthenticatedError(
            "CERTIFICATE_OF_ANOTHER", "The caller's certificate does not name the service that it says it is."
        )


class _Call:
    """One call while it runs."""

    def __init__(self, request: Any, check: Callable[[Any, bool], None]) -> None:
        """`check` gets each message of a stream of requests, and whether it is the first."""
        self._check = check
        self.request = request  # of a stream its first message, which says what the call is about
        self.response: Any = None
        self.over: ServiceError | None = None  # why the stream was ended
        task = asyncio.current_task()
        assert task is not None
        self.task = task

    async def messages(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The requests of a stream, each of them checked."""
        async for message in requests:
            self._check(message, self.request is None)
            if self.request is None:
                self.request = message
            yield message


def _needed(access: MethodAccess, platform: str) -> str:
    """Who may call a method, in a sentence."""
    if not access.roles:
        return "Only services call this method."
    if access.platform:
        return f"This needs the role admin in the tenant {platform}."
    allowed = roles_of(access)
    roles = " or ".join(role for role in Role if role in allowed)
    return f"This needs the role {roles}."


def _address(metadata: Mapping[str, str], context: Context) -> str:
    """Where the call comes from: as the gateway saw it (it adds the last entry of x-forwarded-for), else the
    peer. With TLS nobody but the gateway is believed."""
    names = peer_names(context)
    by_gateway = names is None or GATEWAY in names
    forwarded = metadata.get("x-forwarded-for", "").rpartition(",")[2].strip() if by_gateway else ""
    return (forwarded or _PEER.sub(r"\1", unquote(str(context.peer()))))[:100]
