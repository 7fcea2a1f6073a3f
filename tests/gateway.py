"""A real Envoy before a server that answers every call and remembers it."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from ingestor.client.channel import Endpoint
from ingestor.client.errors import IngestorError, from_rpc
from ingestor.gateway.settings import GatewaySettings
from ingestor.local.envoy import Envoy
from ingestor.local.ports import LOOPBACK, free_port
from ingestor.local.services import SERVICES
from ingestor.local.tls.ca import Leaf
from ingestor.runtime.grpc.credentials import TlsFiles, server_credentials

METHOD = "/ingestor.v1.StatusService/GetProcess"
HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@dataclass
class Upstream(grpc.GenericRpcHandler):
    """What arrives behind the gateway, health checks apart: path and metadata."""

    tls: Leaf | None = None  # its certificate
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    address: str = f"{LOOPBACK}:0"
    streams: frozenset[str] = frozenset()  # paths whose answers have a beginning, and no end
    stopping: Event = field(default_factory=Event)
    _server: grpc.Server | None = None

    def start(self) -> None:
        """Listen, at the same address as before."""
        server = self._server = grpc.server(ThreadPoolExecutor(16), handlers=[self])
        health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
        if self.tls is None:
            port = server.add_insecure_port(self.address)
        else:
            files = TlsFiles(self.tls.certificate, self.tls.key, self.tls.ca)
            port = server.add_secure_port(self.address, server_credentials(files))
        self.address = f"{LOOPBACK}:{port}"
        server.start()

    def stop(self) -> None:
        """End its connections."""
        self.stopping.set()
        if self._server:
            self._server.stop(0).wait()

    def service(self, details: Any) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Answer with nothing, successfully."""
        if details.method.startswith("/grpc.health."):
            return None
        self.calls.append((details.method, dict(details.invocation_metadata)))
        if details.method in self.streams:
            return grpc.unary_stream_rpc_method_handler(self._endless)
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    def _endless(self, request: Any, context: Any) -> Iterator[bytes]:
        yield b""
        self.stopping.wait(60)


@dataclass
class Gateway:
    """A running gateway."""

    port: int
    upstream: Upstream
    admin: str  # URL
    metrics: str  # URL
    ca: Path | None = None  # of a gateway with TLS

    async def call(self, token: str | None = None, path: str = METHOD, **metadata: str) -> None:
        """Call with a bearer token. Raises IngestorError as the client does."""
        sent = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        if token is not None:
            sent.append(("authorization", f"Bearer {token}"))
        async with Endpoint.of(f"{LOOPBACK}:{self.port}", ca=self.ca).open_channel() as channel:
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
def gateway(
    folder: Path,
    settings: GatewaySettings,
    services: Leaf | None = None,
    streams: frozenset[str] = frozenset(),
) -> Iterator[Gateway]:
    """A gateway without a page, with these settings, before all services in one, which have this
    certificate."""
    upstream = Upstream(services, streams=streams)
    upstream.start()
    port = free_port()
    clusters = {service: [upstream.address] for service in SERVICES}
    envoy = Envoy(folder, port=port, clusters=clusters, settings=settings)
    try:
        folder.mkdir(exist_ok=True)
        envoy.start()
        envoy.wait()
        yield Gateway(port, upstream, envoy.admin, envoy.metrics, services.ca if services else None)
    finally:
        envoy.stop()
        upstream.stop()
