"""What one client may take of the gateway: a real Envoy before a server that answers everything."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from ingestor.gateway import bounds
from ingestor.gateway import render as rendering
from ingestor.gateway.settings import GatewaySettings
from ingestor.local import envoy as local_envoy
from ingestor.local.ports import LOOPBACK
from tests.gateway import METHOD, Gateway, gateway

WATCH = "/ingestor.v1.StatusService/WatchEvents"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Envoy has room for three at a time of each kind, and waits a second for a request."""
    monkeypatch.setattr(bounds, "_SLOW_SECONDS", -59)

    def apply(config: dict[str, Any], settings: GatewaySettings) -> None:
        rendering.apply(config, settings)
        for cluster in config["static_resources"]["clusters"]:
            for threshold in cluster.get("circuit_breakers", {"thresholds": []})["thresholds"]:
                threshold["max_requests"] = 3

    monkeypatch.setattr(local_envoy, "apply", apply)


@pytest.mark.usefixtures("few")
async def test_streams_leave_room_for_calls(tmp_path: Path) -> None:
    with gateway(tmp_path, GatewaySettings(auth="local"), streams=frozenset({WATCH})) as running:
        async with grpc.aio.insecure_channel(f"{LOOPBACK}:{running.port}") as channel:
            watch: Any = channel.unary_stream(WATCH)
            open_ = [watch(b"", timeout=60) for _ in range(3)]
            for stream in open_:
                assert await stream.read() == b""
            with pytest.raises(grpc.aio.AioRpcError, match="overflow") as refused:
                await watch(b"", timeout=20).read()
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            call: Any = channel.unary_unary(METHOD)
            for _ in range(10):
                assert await call(b"", timeout=20) == b""
            for stream in open_:
                stream.cancel()


@pytest.mark.usefixtures("few")
async def test_a_request_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    """Calls that send headers alone would hold their places for as long as they like."""

    async def nothing() -> Any:
        await asyncio.Event().wait()
        yield b""

    with gateway(tmp_path, GatewaySettings(auth="local")) as running:
        async with grpc.aio.insecure_channel(f"{LOOPBACK}:{running.port}") as channel:
            slow: Any = channel.stream_unary(METHOD)
            calls = [slow(nothing(), timeout=60) for _ in range(3)]
            for found in await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 30):
                assert isinstance(found, grpc.aio.AioRpcError)
                assert "timeout" in str(found.details()) or "duration" in str(found.details()), found
            call: Any = channel.unary_unary(METHOD)
            assert await call(b"", timeout=20) == b""


def ask(running: Gateway, address: str = "") -> tuple[int, dict[str, str]]:
    """Status and headers of an answer to a call over gRPC-web."""
    headers = {"content-type": "application/grpc-web+proto", "authorization": "Bearer ing_12345678_x"}
    if address:
        headers["x-forwarded-for"] = address
    with closing(http.client.HTTPConnection(LOOPBACK, running.port, timeout=20)) as connection:
        connection.request("POST", METHOD, body=b"\0\0\0\0\0", headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_an_address_makes_so_many_calls(tmp_path: Path) -> None:
    settings = GatewaySettings(auth="required", gateway_calls_per_second=2, gateway_trusted_hops=1)
    with gateway(tmp_path, settings) as running:
        answers = [ask(running, "203.0.113.7") for _ in range(30)]
        assert answers[7][0] == 200 and 429 in [status for status, _ in answers[8:]]
        refused = next(headers for status, headers in answers if status == 429)
        assert refused["grpc-status"] == "14" and "from your address" in refused["grpc-message"]
        assert refused["grpc-status-details-bin"]
        calls = len(running.upstream.calls)
        # Others are answered; a made-up entry before the trusted one makes nobody another.
        assert ask(running, "203.0.113.8")[0] == 200
        assert ask(running, "2001:db8::1")[0] == 200
        assert 429 in [ask(running, f"198.51.100.{number}, 203.0.113.7")[0] for number in range(10)]
        assert calls < len(running.upstream.calls) < 30


def _connections(port: int, count: int, stack: ExitStack) -> Iterator[socket.socket]:
    for _ in range(count):
        yield stack.enter_context(closing(socket.create_connection((LOOPBACK, port), timeout=20)))


def test_connections_have_a_bound_and_it_can_be_looked_at(tmp_path: Path) -> None:
    settings = GatewaySettings(auth="local", gateway_max_connections=10)
    with gateway(tmp_path, settings) as running, ExitStack() as stack:
        *_, last = _connections(running.port, 30, stack)
        assert last.recv(1) == b"", "it is closed"
        with urllib.request.urlopen(running.metrics, timeout=20) as answer:
            assert answer.status == 200


def test_its_memory_has_a_bound(tmp_path: Path) -> None:
    settings = GatewaySettings(auth="local", gateway_memory_bytes=64 * 2**20)
    with gateway(tmp_path, settings) as running:
        with urllib.request.urlopen(f"{running.admin}/config_dump", timeout=20) as answer:
            (bootstrap,) = [part for part in json.load(answer)["configs"] if "bootstrap" in part]
        monitors = bootstrap["bootstrap"]["overload_manager"]["resource_monitors"]
        assert monitors[0]["typed_config"]["max_heap_size_bytes"] == str(64 * 2**20)
        assert ask(running)[0] == 200
