"""A running status service with TLS: the certificate of a caller must name the service that it says it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from ingestor.access import scope
from ingestor.access.calls import CallSigner
from ingestor.internal.v1 import ledger_pb2, ledger_pb2_grpc
from ingestor.local.tls.ca import Leaf, LocalCa
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.grpc.credentials import TlsFiles
from ingestor.runtime.host import host
from ingestor.services.status.bootstrap import bootstrap
from ingestor.services.status.settings import StatusSettings
from ingestor.v1 import access_pb2, access_pb2_grpc
from tests.refusals import refusal


@pytest.fixture
def ca(tmp_path: Path) -> LocalCa:
    return LocalCa(tmp_path / "ca", ["status", "processor", "upload", "gateway"])


@pytest.fixture
async def status(status_settings: StatusSettings, ca: LocalCa) -> AsyncIterator[StatusSettings]:
    """Settings of the running service, with its address."""
    leaf = ca.leaf("status")
    files = {"tls_cert": str(leaf.certificate), "tls_key": str(leaf.key), "tls_ca": str(leaf.ca)}
    settings = StatusSettings(**{**status_settings.model_dump(), **files})
    async with host(settings, lambda made: bootstrap(settings, made), CollectorRegistry()) as service:
        yield settings.model_copy(update={"listen": f"127.0.0.1:{service.port}"})


@asynccontextmanager
async def ledger(status: StatusSettings, leaf: Leaf, says: str) -> AsyncIterator[Any]:
    """The internal service, called with this certificate by one that says it is the service `says`."""
    signer = CallSigner(status.keyring(), says)
    files = TlsFiles(leaf.certificate, leaf.key, leaf.ca)
    with scope.within("default"):
        async with open_channel(status.listen, signer.interceptors(), service="status", tls=files) as channel:
            yield ledger_pb2_grpc.LedgerServiceStub(channel)


async def refused(stub: Any) -> tuple[grpc.StatusCode, str]:
    """Code and reason with which a call of it fails."""
    return await refusal(stub.ListRemovals(ledger_pb2.ListRemovalsRequest(), timeout=20))


async def test_a_service_calls_by_its_own_certificate(status: StatusSettings, ca: LocalCa) -> None:
    async with ledger(status, ca.leaf("upload"), "upload") as stub:
        assert not (await stub.ListRemovals(ledger_pb2.ListRemovalsRequest(), timeout=20)).removals


@pytest.mark.parametrize("other", ["status", "gateway"])
async def test_another_certificate_is_refused_even_with_the_internal_key(
    status: StatusSettings, ca: LocalCa, other: str
) -> None:
    async with ledger(status, ca.leaf(other), "upload") as stub:
        assert await refused(stub) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "CERTIFICATE_OF_ANOTHER",
        )


async def test_a_service_that_is_not_on_the_list_is_refused(status: StatusSettings, ca: LocalCa) -> None:
    async with ledger(status, ca.leaf("gateway"), "gateway") as stub:
        assert await refused(stub) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "ROLE_MISSING",
        )


async def test_the_gateways_certificate_alone_opens_no_internal_call(
    status: StatusSettings, ca: LocalCa
) -> None:
    leaf = ca.leaf("gateway")
    files = TlsFiles(leaf.certificate, leaf.key, leaf.ca)
    async with open_channel(status.listen, service="status", tls=files) as channel:
        stub: Any = ledger_pb2_grpc.LedgerServiceStub(channel)
        code, _ = await refused(stub)
    assert code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


@pytest.mark.parametrize("who", ["gateway", "upload"])
async def test_only_the_gateway_says_where_a_call_comes_from(
    status: StatusSettings, ca: LocalCa, who: str
) -> None:
    """Everybody else could write a wrong address into the audit log."""
    leaf = ca.leaf(who)
    files = TlsFiles(leaf.certificate, leaf.key, leaf.ca)
    request = access_pb2.SetQuotasRequest(tenant="nobody")  # is in the log, and changes nothing
    async with open_channel(status.listen, service="status", tls=files) as channel:
        stub: Any = access_pb2_grpc.AccessServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.SetQuotas(request, metadata=(("x-forwarded-for", "192.0.2.7"),), timeout=20)
        found = await stub.ListAuditRecords(access_pb2.ListAuditRecordsRequest(), timeout=20)
    assert found.records[0].address == ("192.0.2.7" if who == "gateway" else "127.0.0.1")
