"""The guard of a real gRPC server: who gets in, in which tenant a call runs, how long a stream lasts, what
the audit log says. Its clock is the test's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from ingestor.access import api_keys, scope
from ingestor.access.authenticator import Authenticator
from ingestor.access.calls import CALL, CallSigner
from ingestor.access.directory import StoredKey
from ingestor.access.guard import Guard
from ingestor.access.keyring import KeyRing
from ingestor.access.limits.quotas import QuotaName
from ingestor.access.limits.shares import Most, Shares
from ingestor.access.limits.streams import StreamPlaces
from ingestor.access.principal import current_principal
from ingestor.access.roles import Role
from ingestor.access.scope import everything, within
from ingestor.internal.v1 import ledger_pb2, ledger_pb2_grpc
from ingestor.runtime.errors import NotFoundError, TransientError
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.grpc.interceptors import ServerInterceptor
from ingestor.runtime.observability.metrics import RpcMetrics
from ingestor.v1 import (
    access_pb2,
    access_pb2_grpc,
    processor_pb2,
    processor_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
    upload_pb2,
    upload_pb2_grpc,
)
from tests.fakes.callers.directory import MemoryAuditLog, MemoryDirectory
from tests.fakes.limits.quotas import MemoryQuotas
from tests.refusals import refusal

KEYS = KeyRing.parse("one:" + "s" * 32)
PROCESS = "00000000-0000-7000-8000-000000000001"
DOWNLOAD = status_pb2.DownloadReportRequest(process_id=PROCESS)
DELETE = status_pb2.DeleteProcessRequest(process_id=PROCESS)


class Clock:
    """A clock that says what it is told."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        """The time it was told."""
        return self.now


class Behind:
    """What is behind the guard: remembers for whom it ran."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, str, str]] = []  # method, tenant, subject
        self.waiting = asyncio.Event()
        self.ended = asyncio.Event()
        self.error: Exception | None = None

    def run(self, method: str) -> None:
        """Note a call."""
        principal = current_principal()
        assert principal is not None
        self.ran.append((method, scope.current(), principal.subject))
        if self.error:
            raise self.error


class StatusBehind(status_pb2_grpc.StatusServiceServicer):
    """Some calls of status."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    async def GetProcess(self, request: Any, context: Any) -> status_pb2.GetProcessResponse:
        self._behind.run("GetProcess")
        return status_pb2.GetProcessResponse()

    async def DeleteProcess(self, request: Any, context: Any) -> status_pb2.DeleteProcessResponse:
        self._behind.run("DeleteProcess")
        return status_pb2.DeleteProcessResponse()

    async def DownloadReport(
        self, request: Any, context: Any
    ) -> AsyncIterator[status_pb2.DownloadReportResponse]:
        self._behind.run("DownloadReport")
        yield status_pb2.DownloadReportResponse(data=b"one")
        self._behind.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._behind.ended.set()


class UploadBehind(upload_pb2_grpc.UploadServiceServicer):
    """A stream of requests."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    async def WriteUpload(
        self, request_iterator: AsyncIterator[Any], context: Any
    ) -> upload_pb2.WriteUploadResponse:
        count = 0
        try:
            async for _ in request_iterator:
                count += 1
                self._behind.waiting.set()
        finally:
            self._behind.ended.set()
        self._behind.run("WriteUpload")
        return upload_pb2.WriteUploadResponse(committed_size=count)


class ProcessorBehind(processor_pb2_grpc.ProcessorServiceServicer):
    """A stream of requests whose first says which pipeline."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    async def DryRun(
        self, request_iterator: AsyncIterator[Any], context: Any
    ) -> processor_pb2.DryRunResponse:
        async for _ in request_iterator:
            self._behind.run("DryRun")
        return processor_pb2.DryRunResponse()


class AccessBehind(access_pb2_grpc.AccessServiceServicer):
    """Some calls of access."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    async def GetAccess(self, request: Any, context: Any) -> access_pb2.GetAccessResponse:
        self._behind.run("GetAccess")
        return access_pb2.GetAccessResponse()

    async def CreateKey(self, request: Any, context: Any) -> access_pb2.CreateKeyResponse:
        self._behind.run("CreateKey")
        return access_pb2.CreateKeyResponse(key=access_pb2.ApiKey(prefix="ing_12345678", name="k"))

    async def SetQuotas(self, request: Any, context: Any) -> access_pb2.SetQuotasResponse:
        self._behind.run("SetQuotas")
        return access_pb2.SetQuotasResponse()


class LedgerBehind(ledger_pb2_grpc.LedgerServiceServicer):
    """An internal call."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    async def ListRemovals(self, request: Any, context: Any) -> ledger_pb2.ListRemovalsResponse:
        self._behind.run("ListRemovals")
        return ledger_pb2.ListRemovalsResponse()

    async def LookUpRows(self, request: Any, context: Any) -> ledger_pb2.LookUpRowsResponse:
        self._behind.run("LookUpRows")
        return ledger_pb2.LookUpRowsResponse()


class Guarded:
    """A server with a guard, and what a test asks of it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.directory = MemoryDirectory("default", "acme", "globex")
        self.audit = MemoryAuditLog()
        self.behind = Behind()
        self.registry = CollectorRegistry()
        authenticator = Authenticator(KEYS, self.directory, None, local=False, clock=self.clock)
        self.quotas = MemoryQuotas()
        self.shares = Shares(calls=Most(50, 100), streams=Most(2, 3), registry=self.registry)
        self.guard = Guard(
            authenticator, self.audit, self.registry, platform_tenant="default", limits=self.quotas,
            streams=StreamPlaces(), clock=self.clock,
            shares=self.shares,
        )  # fmt: skip
        self.channel: Any = None

    def key(
        self, tenant: str, *roles: Role, lasts: float | None = None, pipelines: tuple[str, ...] = ()
    ) -> str:
        """A new key."""
        prefix, token = api_keys.new_key()
        self.directory.keys[prefix] = StoredKey(
            tenant, "k", api_keys.hash_of(token), frozenset(roles), frozenset(pipelines),
            None if lasts is None else self.clock.now + lasts,
        )  # fmt: skip
        return token

    def bearer(self, token: str) -> tuple[tuple[str, str], ...]:
        """Metadata with a token."""
        return (("authorization", f"Bearer {token}"),)

    def as_(self, tenant: str, *roles: Role, **more: Any) -> tuple[tuple[str, str], ...]:
        """Metadata of a new key."""
        return self.bearer(self.key(tenant, *roles, **more))

    def status(self) -> Any:
        """Calls of status."""
        return status_pb2_grpc.StatusServiceStub(self.channel)

    def access(self) -> Any:
        """Calls of access."""
        return access_pb2_grpc.AccessServiceStub(self.channel)

    def count(self, name: str, **labels: str) -> float:
        """A metric."""
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    """A running server."""
    made = Guarded()
    server = grpc.aio.server(interceptors=[ServerInterceptor(RpcMetrics(made.registry)), made.guard])
    status_pb2_grpc.add_StatusServiceServicer_to_server(StatusBehind(made.behind), server)  # type: ignore[abstract]
    upload_pb2_grpc.add_UploadServiceServicer_to_server(UploadBehind(made.behind), server)  # type: ignore[abstract]
    processor_pb2_grpc.add_ProcessorServiceServicer_to_server(ProcessorBehind(made.behind), server)  # type: ignore[abstract]
    access_pb2_grpc.add_AccessServiceServicer_to_server(AccessBehind(made.behind), server)  # type: ignore[abstract]
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(LedgerBehind(made.behind), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            made.channel = channel
            yield made
    finally:
        await server.stop(None)


async def reason(call: Any) -> str:
    """Why a call fails."""
    return (await refusal(call))[1]


def told(guarded: Guarded) -> list[tuple[str, str, str, str]]:
    """Method, object, outcome and reason of each record."""
    return [
        (record.method.rpartition("/")[2], record.object, record.outcome, record.reason)
        for record in guarded.audit.records
    ]


async def test_calls_run_for_their_tenant(guarded: Guarded) -> None:
    status = guarded.status()
    acme, globex = guarded.as_("acme", Role.VIEWER), guarded.as_("globex", Role.VIEWER)
    request = status_pb2.GetProcessRequest()
    await asyncio.gather(*[status.GetProcess(request, metadata=m) for m in (acme, globex) * 10])
    assert {(tenant, subject.partition(":")[0]) for _, tenant, subject in guarded.behind.ran} == {
        ("acme", "key"), ("globex", "key"),
    }  # fmt: skip
    assert len(guarded.behind.ran) == 20 and not guarded.audit.records


async def test_who_has_no_token_or_role_does_not_get_in(guarded: Guarded) -> None:
    status, access = guarded.status(), guarded.access()
    assert await reason(status.GetProcess(status_pb2.GetProcessRequest())) == "TOKEN_MISSING"
    viewer, admin = guarded.as_("acme", Role.VIEWER), guarded.as_("acme", Role.ADMIN)
    assert await reason(status.DeleteProcess(DELETE, metadata=viewer)) == "ROLE_MISSING"
    quotas = access_pb2.SetQuotasRequest(tenant="acme")
    assert await reason(access.SetQuotas(quotas, metadata=admin)) == "ROLE_MISSING"
    nothing = guarded.as_("acme")
    assert await reason(status.GetProcess(status_pb2.GetProcessRequest(), metadata=nothing)) == "ROLE_MISSING"
    assert guarded.behind.ran == []
    await access.GetAccess(access_pb2.GetAccessRequest(), metadata=nothing)
    await access.SetQuotas(quotas, metadata=guarded.as_("default", Role.ADMIN))
    assert [method for method, _, _ in guarded.behind.ran] == ["GetAccess", "SetQuotas"]
    assert guarded.count("ingestor_calls_refused_total", reason="TOKEN_MISSING") == 1
    assert guarded.count("ingestor_calls_refused_total", reason="ROLE_MISSING") == 3


async def test_who_calls_must_be_said_once(guarded: Guarded) -> None:
    """Else the gateway might check one token, and a service believe another."""
    (token,), (other,) = guarded.as_("acme", Role.VIEWER), guarded.as_("globex", Role.ADMIN)
    call = guarded.status().GetProcess
    for metadata in (
        (token, other),
        (other, token),
        (token, token),
        (token, ("ingestor-tenant", "acme"), ("ingestor-tenant", "acme")),
        (token, (CALL, "x"), (CALL, "y")),
    ):
        assert await reason(call(status_pb2.GetProcessRequest(), metadata=metadata)) == "TOKEN_INVALID"
    assert guarded.behind.ran == []


async def test_services_may_make_the_calls_that_name_them(guarded: Guarded) -> None:
    ledger = ledger_pb2_grpc.LedgerServiceStub(guarded.channel)

    def of(service: str) -> tuple[tuple[str, str], ...]:
        return ((CALL, CallSigner(KEYS, service).token()),)

    with everything():
        await ledger.ListRemovals(ledger_pb2.ListRemovalsRequest(), metadata=of("upload"))
    assert guarded.behind.ran == [("ListRemovals", "*", "")]
    look_up = ledger_pb2.LookUpRowsRequest()
    with within("acme"):
        assert await reason(ledger.LookUpRows(look_up, metadata=of("upload"))) == "ROLE_MISSING"
        await ledger.LookUpRows(look_up, metadata=of("processor"))
        # A service has no role: public calls name it, or are closed to it.
        assert await reason(guarded.status().DeleteProcess(DELETE, metadata=of("processor"))) == (
            "ROLE_MISSING"
        )
        assert await reason(guarded.access().GetAccess(access_pb2.GetAccessRequest(), metadata=of("x"))) == (
            "ROLE_MISSING"
        )
    admin = guarded.as_("default", Role.ADMIN)
    assert await reason(ledger.LookUpRows(look_up, metadata=admin)) == "ROLE_MISSING"
    forged = ((CALL, CallSigner(KeyRing.parse("one:" + "x" * 32), "processor").token()),)
    assert await reason(ledger.LookUpRows(look_up, metadata=forged)) == "TOKEN_INVALID"
    assert [method for method, _, _ in guarded.behind.ran] == ["ListRemovals", "LookUpRows"]
    assert not guarded.audit.records


async def test_a_stream_ends_with_its_key(guarded: Guarded) -> None:
    metadata = guarded.as_("acme", Role.VIEWER, lasts=0.3)
    call = guarded.status().DownloadReport(DOWNLOAD, metadata=metadata)
    assert (await call.read()).data == b"one"
    guarded.clock.now += 1
    async with asyncio.timeout(10):
        assert await reason(call) == "TOKEN_EXPIRED"
        await guarded.behind.ended.wait()
    assert told(guarded) == [("DownloadReport", PROCESS, "UNAUTHENTICATED", "TOKEN_EXPIRED")]


async def test_a_stream_of_requests_ends_with_its_key(guarded: Guarded) -> None:
    metadata = guarded.as_("acme", Role.UPLOADER, lasts=0.3)
    upload: Any = upload_pb2_grpc.UploadServiceStub(guarded.channel)
    call = upload.WriteUpload(metadata=metadata)
    await call.write(upload_pb2.WriteUploadRequest(upload_id="u"))
    await guarded.behind.waiting.wait()
    guarded.clock.now += 1
    async with asyncio.timeout(10):
        assert await reason(call) == "TOKEN_EXPIRED"
        await guarded.behind.ended.wait()
    assert guarded.behind.ran == []


@pytest.mark.parametrize(("what", "expected"), [("revoked", "KEY_INVALID"), ("role", "ROLE_MISSING")])
async def test_a_stream_ends_when_its_right_is_taken_away(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, what: str, expected: str
) -> None:
    monkeypatch.setattr("ingestor.access.guard.REMEMBERED_SECONDS", 0.05)
    token = guarded.key("acme", Role.VIEWER)
    call = guarded.status().DownloadReport(DOWNLOAD, metadata=guarded.bearer(token))
    assert (await call.read()).data == b"one"
    prefix = str(api_keys.prefix_of(token))
    if what == "revoked":
        guarded.directory.revoked.add(prefix)
    else:
        known = guarded.directory.keys[prefix]
        guarded.directory.keys[prefix] = StoredKey(
            known.tenant, known.name, known.sha256, frozenset(), known.pipelines, None
        )
    guarded.clock.now += 11
    async with asyncio.timeout(10):
        assert await reason(call) == expected


async def test_a_stream_goes_on_while_the_directory_is_away(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestor.access.guard.REMEMBERED_SECONDS", 0.02)
    token = guarded.key("acme", Role.VIEWER)
    call = guarded.status().DownloadReport(DOWNLOAD, metadata=guarded.bearer(token))
    await call.read()
    guarded.directory.away = True
    asked = guarded.directory.asked
    async with asyncio.timeout(10):
        while guarded.directory.asked < asked + 3:
            guarded.clock.now += 11
            await asyncio.sleep(0.01)
        assert not guarded.behind.ended.is_set()
        guarded.directory.away = False
        guarded.directory.revoked.add(str(api_keys.prefix_of(token)))
        guarded.clock.now += 11
        assert await reason(call) == "KEY_INVALID"


async def test_a_stream_that_its_caller_gives_up(guarded: Guarded) -> None:
    call = guarded.status().DownloadReport(DOWNLOAD, metadata=guarded.as_("acme", Role.VIEWER))
    await call.read()
    await guarded.behind.waiting.wait()
    call.cancel()
    async with asyncio.timeout(10):
        await guarded.behind.ended.wait()
        while not guarded.audit.records:
            await asyncio.sleep(0)
    assert told(guarded) == [("DownloadReport", PROCESS, "CANCELLED", "")]


async def test_who_has_its_share_is_refused_and_others_are_not(guarded: Guarded) -> None:
    """Streams of a tenant's keys, one key each: the third is too many, its calls go on, and so do others."""
    status = guarded.status()
    keys = [guarded.as_("acme", Role.VIEWER) for _ in range(3)]
    open_ = [status.DownloadReport(DOWNLOAD, metadata=metadata) for metadata in keys[:2]]
    for call in open_:
        await call.read()
    with pytest.raises(grpc.aio.AioRpcError, match="The API keys of the tenant have 2 streams") as refused:
        await status.DownloadReport(DOWNLOAD, metadata=keys[2]).read()
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert guarded.count("ingestor_calls_over_share_total", of="caller") >= 1
    assert not guarded.audit.records, "nothing was done, so nothing is noted"
    await status.GetProcess(status_pb2.GetProcessRequest(), metadata=keys[2])
    other = status.DownloadReport(DOWNLOAD, metadata=guarded.as_("globex", Role.VIEWER))
    assert (await other.read()).data == b"one"
    open_[0].cancel()
    async with asyncio.timeout(10):
        await guarded.behind.ended.wait()
        while len(guarded.audit.records) < 1:
            await asyncio.sleep(0)
    again = status.DownloadReport(DOWNLOAD, metadata=keys[2])
    assert (await again.read()).data == b"one"
    for call in (*open_, other, again):
        call.cancel()


async def test_a_tenant_has_so_many_streams(guarded: Guarded) -> None:
    guarded.quotas.set[QuotaName.STREAMS] = 1
    status, metadata = guarded.status(), guarded.as_("acme", Role.VIEWER)
    call = status.DownloadReport(DOWNLOAD, metadata=metadata)
    await call.read()
    await guarded.behind.waiting.wait()
    assert await reason(status.DownloadReport(DOWNLOAD, metadata=metadata)) == "QUOTA_EXCEEDED"
    assert guarded.count("ingestor_quota_refusals_total", quota="streams") == 1
    assert told(guarded)[-1] == ("DownloadReport", PROCESS, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
    other = status.DownloadReport(DOWNLOAD, metadata=guarded.as_("globex", Role.VIEWER))
    assert (await other.read()).data == b"one"
    call.cancel()
    async with asyncio.timeout(10):
        await guarded.behind.ended.wait()
        while len(guarded.audit.records) < 2:
            await asyncio.sleep(0)
    again = status.DownloadReport(DOWNLOAD, metadata=metadata)
    assert (await again.read()).data == b"one"


async def test_what_the_log_says(guarded: Guarded) -> None:
    status, access = guarded.status(), guarded.access()
    admin, viewer = guarded.as_("acme", Role.ADMIN), guarded.as_("acme", Role.VIEWER)
    await status.DeleteProcess(DELETE, metadata=admin)
    await reason(status.DeleteProcess(DELETE, metadata=viewer))
    guarded.behind.error = NotFoundError("PROCESS_NOT_FOUND", "no")
    await reason(status.DeleteProcess(DELETE, metadata=admin))
    for error in (TransientError("away"), ValueError("a bug")):
        guarded.behind.error = error
        with pytest.raises(grpc.aio.AioRpcError):
            await status.DeleteProcess(DELETE, metadata=admin)
    guarded.behind.error = None
    await access.CreateKey(access_pb2.CreateKeyRequest(name="k"), metadata=admin)
    await access.SetQuotas(
        access_pb2.SetQuotasRequest(tenant="acme"), metadata=guarded.as_("default", Role.ADMIN)
    )
    assert [entry for entry in told(guarded) if entry[2] != "UNAVAILABLE"] == [
        ("DeleteProcess", PROCESS, "OK", ""),
        ("DeleteProcess", PROCESS, "PERMISSION_DENIED", "ROLE_MISSING"),
        ("DeleteProcess", PROCESS, "NOT_FOUND", "PROCESS_NOT_FOUND"),
        ("DeleteProcess", PROCESS, "INTERNAL", ""),
        ("CreateKey", "ing_12345678", "OK", ""),
        ("SetQuotas", "acme", "OK", ""),
    ]
    assert ("DeleteProcess", PROCESS, "UNAVAILABLE", "") in told(guarded)
    record = guarded.audit.records[0]
    assert (record.principal.tenant, record.address, len(record.trace_id)) == ("acme", "127.0.0.1", 32)
    assert guarded.audit.records[-1].principal.tenant == "default"  # who did it, not to whom


async def test_a_log_that_is_away_fails_no_call_and_is_counted(guarded: Guarded) -> None:
    guarded.audit.away = True
    await guarded.status().DeleteProcess(DELETE, metadata=guarded.as_("acme", Role.ADMIN))
    assert guarded.count("ingestor_audit_failures_total") == 1


async def test_a_key_for_some_pipelines(guarded: Guarded) -> None:
    metadata = guarded.as_("acme", Role.ADMIN, pipelines=("people",))
    processor: Any = processor_pb2_grpc.ProcessorServiceStub(guarded.channel)

    def dry_run(*pipelines: str) -> Any:
        return processor.DryRun(
            iter([processor_pb2.DryRunRequest(pipeline=name) for name in pipelines]), metadata=metadata
        )

    await dry_run("people", "")
    assert len(guarded.behind.ran) == 2
    assert await reason(dry_run("things", "people")) == "PIPELINE_NOT_ALLOWED"
    access = guarded.access()
    create = access.CreateKey(access_pb2.CreateKeyRequest(name="k"), metadata=metadata)
    assert await reason(create) == "PIPELINE_NOT_ALLOWED"
    assert len(guarded.behind.ran) == 2
    assert guarded.count("ingestor_calls_refused_total", reason="PIPELINE_NOT_ALLOWED") == 2
    assert told(guarded) == [("CreateKey", "k", "PERMISSION_DENIED", "PIPELINE_NOT_ALLOWED")]


async def test_health_is_open_and_what_is_not_known_is_closed(guarded: Guarded) -> None:
    health = guarded.channel.unary_unary("/grpc.health.v1.Health/Check")
    with pytest.raises(grpc.aio.AioRpcError) as failed:  # this server has none, and the guard lets it pass
        await health(b"")
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    strange = guarded.channel.unary_unary("/ingestor.v1.StatusService/Unknown")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await strange(b"", metadata=guarded.as_("acme", Role.ADMIN))
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
