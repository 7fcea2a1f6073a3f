"""A client whose machine is gone says nothing more: its calls end, with what they hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

import ingestor.runtime.host as hosting
from ingestor.runtime.host import Service, host
from ingestor.runtime.settings import ServiceSettings
from tests.chaos.links.tcp import TcpLink


async def test_the_stream_of_a_client_that_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "_KEEPALIVE_MS", 1500)
    monkeypatch.setattr(hosting, "_KEEPALIVE_TIMEOUT_MS", 1000)
    began, ended = asyncio.Event(), asyncio.Event()

    async def take(requests: AsyncIterator[bytes], context: Any) -> bytes:
        began.set()
        try:
            return b"".join([request async for request in requests])
        finally:
            ended.set()

    def register(server: grpc.aio.Server) -> None:
        methods: dict[str, Any] = {"Take": grpc.stream_unary_rpc_method_handler(take)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Lost", methods),))

    @asynccontextmanager
    async def bootstrap(registry: CollectorRegistry) -> AsyncIterator[Service]:
        yield Service(register, ("test.Lost",), {})

    settings = ServiceSettings(
        listen="127.0.0.1:0", metrics_listen="", database_url=SecretStr("postgresql://unused"),
        drain_seconds=1,
    )  # fmt: skip
    async with host(settings, bootstrap, CollectorRegistry()) as running:
        link = TcpLink("127.0.0.1", running.port)
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{await link.start()}") as channel:
                call: Any = channel.stream_unary("/test.Lost/Take")()
                await call.write(b"a")
                await began.wait()
                link.delay = 3600.0  # whatever it sends gets nowhere
                async with asyncio.timeout(30):
                    await ended.wait()
        finally:
            await link.stop()
