"""A status service that demands tokens, with two tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import grpc
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from ingestor.access.calls import CALL, CallSigner
from ingestor.access.keyring import KeyRing
from ingestor.internal.v1 import ledger_pb2_grpc
from ingestor.provisioning.tenants import create_tenant
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.host import host
from ingestor.services.status.bootstrap import bootstrap
from ingestor.services.status.settings import StatusSettings
from ingestor.v1 import access_pb2_grpc, status_pb2_grpc
from tests.e2e.access.tokens import ISSUER, Issuer

KEYS = "one:" + "s" * 40


class Served:
    """The service, and callers of it."""

    def __init__(self, channel: grpc.aio.Channel, issuer: Issuer, database: Any) -> None:
        self._channel = channel
        self.issuer = issuer
        self.database = database  # as its administrator sees it
        self._signer = CallSigner(KeyRing.parse(KEYS), "processor")

    def person(self, subject: str, tenant: str, *roles: str, **claims: Any) -> Any:
        """Every public call, as a person with these roles."""
        return self.bearer(self.issuer.token(subject, tenant, *roles, **claims))

    def bearer(self, token: str, *metadata: tuple[str, str]) -> Any:
        """Every public call, with a token or key."""
        return self._calls(lambda: (("authorization", f"Bearer {token}"), *metadata))

    def nobody(self) -> Any:
        """Every public call, without a token."""
        return self._calls(tuple)

    def processor(self) -> Any:
        """Every call of status, as the processor makes it for the tenant in scope."""
        return self._calls(lambda: ((CALL, self._signer.token()),))

    def _calls(self, metadata: Callable[[], tuple[tuple[str, str], ...]]) -> Any:
        def with_metadata(call: Callable[..., Any]) -> Callable[..., Any]:
            return lambda request: call(request, metadata=metadata())

        stubs = (
            access_pb2_grpc.AccessServiceStub(self._channel),
            status_pb2_grpc.StatusServiceStub(self._channel),
            ledger_pb2_grpc.LedgerServiceStub(self._channel),
        )
        return SimpleNamespace(
            **{name: with_metadata(call) for stub in stubs for name, call in vars(stub).items()}
        )


@dataclass(frozen=True)
class Opened:
    """How to start one."""

    settings: StatusSettings
    issuer: Issuer


@pytest.fixture
async def required(status_settings: StatusSettings, database_url: str, tmp_path: Path) -> Opened:
    """Settings of a service that demands tokens, and two tenants in its database."""
    issuer = Issuer()
    issuer.publish(tmp_path / "jwks.json")
    connection = await asyncpg.connect(database_url)
    try:
        for tenant in ("acme", "globex"):
            await create_tenant(connection, tenant)
    finally:
        await connection.close()
    settings = status_settings.model_copy(
        update={
            "auth": "required",
            "oidc_issuer": ISSUER,
            "oidc_jwks": str(tmp_path / "jwks.json"),
            "internal_keys": SecretStr(KEYS),
        }
    )
    return Opened(settings, issuer)


@asynccontextmanager
async def serve(opened: Opened, database_url: str) -> AsyncIterator[Served]:
    """A running service."""
    database = await asyncpg.connect(database_url)
    try:
        async with (
            host(
                opened.settings, lambda made: bootstrap(opened.settings, made), CollectorRegistry()
            ) as service,
            open_channel(f"127.0.0.1:{service.port}") as channel,
        ):
            yield Served(channel, opened.issuer, database)
    finally:
        await database.close()


@pytest.fixture
async def served(required: Opened, database_url: str) -> AsyncIterator[Served]:
    """A running service."""
    async with serve(required, database_url) as made:
        yield made
