"""A real Envoy before a server that answers every call and remembers it."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from ingestor.client.errors import IngestorError, from_rpc
from ingestor.gateway.settings import GatewaySettings
from ingestor.local.envoy import Envoy
from ingestor.local.ports import LOOPBACK, free_port
from ingestor.local.services import SERVICES

METHOD = "/ingestor.v1.StatusService/GetProcess"
HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@dataclass
class Upstream(grpc.GenericRpcHandler):
    """What arrives behind the gateway, health checks apart: path and metadata."""

    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def service(self, details: Any) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Answer with nothing, successfully."""
        if details.method.startswith("/grpc.health."):
            return None
        self.calls.append((details.method, dict(details.invocation_metadata)))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


@dataclass
class Gateway:
    """A running gateway."""

    port: int
    upstream: Upstream
    admin: str  # URL

    async def call(self, token: str | None = None, path: str = METHOD, **metadata: str) -> None:
        """Call with a bearer token. Raises IngestorError as the client does."""
        sent = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        if token is not None:
            sent.append(("authorization", f"Bearer {token}"))
        async with grpc.aio.insecure_channel(f"{LOOPBACK}:{self.port}") as channel:
            call: Any = channel.unary_unary(path)
            try:
                await call(b"", metadata=sent, timeout=20)
            except grpc.aio.AioRpcError as error:
                raise from_rpc(error) from error

    async def refusal(self, token: str | None = None, path: str = METHOD, **metadata: str) -> tuple[str, str]:
        """Code and reason of a refused call; asserts that nothing got through."""
        before = len(self.upstream.calls)
        try:
            await self.call(token, path, **metadata)
        except IngestorError as error:
            assert len(self.upstream.calls) == before
            return error.code, error.reason
        raise AssertionError("the gateway let it through")

    def stat(self, name: str) -> int:
        """One of Envoy's counters, all that end with this name added up."""
        with urllib.request.urlopen(f"{self.admin}/stats?filter={name}$", timeout=20) as answer:
            return sum(int(line.rpartition(b":")[2]) for line in answer.read().splitlines())


@contextmanager
def gateway(folder: Path, settings: GatewaySettings) -> Iterator[Gateway]:
    """A gateway without a page, with these settings, before all services in one."""
    upstream = Upstream()
    server = grpc.server(ThreadPoolExecutor(4), handlers=[upstream])
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    address = f"{LOOPBACK}:{server.add_insecure_port(f'{LOOPBACK}:0')}"
    server.start()
    port = free_port()
    envoy = Envoy(folder, port=port, clusters=dict.fromkeys(SERVICES, address), settings=settings)
    try:
        folder.mkdir(exist_ok=True)
        envoy.start()
        yield Gateway(port, upstream, envoy.admin)
    finally:
        envoy.stop()
        server.stop(0).wait()
