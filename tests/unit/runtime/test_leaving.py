"""Probes, the way out of a service, and how many calls it answers, over real ports."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from ingestor.runtime.grpc.health import HealthMonitor
from ingestor.runtime.host import RunningService, Service, host
from ingestor.runtime.observability.http import serve_http
from ingestor.runtime.settings import ServiceSettings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Calls:
    """A method that answers when it is let."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.running = 0

    def register(self, server: grpc.aio.Server) -> None:
        """Add the method."""

        async def wait(request: bytes, context: Any) -> bytes:
            self.running += 1
            await self.go.wait()
            return context.peer().encode() if request == b"peer" else request

        async def watch(request: bytes, context: Any) -> AsyncIterator[bytes]:
            yield await wait(request, context)

        handlers: dict[str, Any] = {
            "Wait": grpc.unary_unary_rpc_method_handler(wait),
            "Watch": grpc.unary_stream_rpc_method_handler(watch),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Calls", handlers),))

    async def begun(self, count: int) -> None:
        """Return when so many calls have begun."""
        async with asyncio.timeout(10):
            while self.running < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(calls: Calls, **changes: Any) -> AsyncIterator[tuple[RunningService, Any]]:
    """A service with these settings, and a channel without a policy."""
    settings = ServiceSettings(
        listen="127.0.0.1:0", metrics_listen="127.0.0.1:0", database_url=SecretStr("postgresql://unused")
    ).model_copy(update=changes)

    @asynccontextmanager
    async def bootstrap(registry: CollectorRegistry) -> AsyncIterator[Service]:
        yield Service(calls.register, ("test.Calls",), {})

    async with (
        host(settings, bootstrap, CollectorRegistry()) as service,
        grpc.aio.insecure_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        yield service, channel


async def health(channel: Any, name: str) -> int:
    """What the service says of itself."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=name))).status)


def get(port: int | None, path: str) -> int:
    """The status of a GET."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def test_one_that_leaves_is_alive_and_answers_but_is_not_ready() -> None:
    calls = Calls()
    calls.go.set()
    async with running(calls) as (service, channel):
        async with asyncio.timeout(10):
            while await asyncio.to_thread(get, service.metrics_port, "/readyz") != 200:
                await asyncio.sleep(0.01)
        assert (await health(channel, ""), await health(channel, "test.Calls")) == (SERVING, SERVING)
        await service.leave()
        assert (await health(channel, ""), await health(channel, "test.Calls")) == (NOT_SERVING, NOT_SERVING)
        assert await health(channel, "live") == SERVING
        found = [await asyncio.to_thread(get, service.metrics_port, path) for path in ("/livez", "/readyz")]
        assert found == [200, 503]
        assert await channel.unary_unary("/test.Calls/Wait")(b"a") == b"a"


async def test_calls_under_way_finish() -> None:
    calls = Calls()
    async with asyncio.TaskGroup() as tasks:
        async with running(calls) as (service, _):
            channel: Any = grpc.aio.insecure_channel(f"127.0.0.1:{service.port}")
            call = channel.unary_unary("/test.Calls/Wait")(b"a")
            await calls.begun(1)
            tasks.create_task(_later(calls.go))
        assert await call == b"a"
        await channel.close()


async def _later(event: asyncio.Event) -> None:
    await asyncio.sleep(0.3)  # in the drain
    event.set()


async def test_a_loop_that_hangs_is_not_alive() -> None:
    now = [1000.0]

    class Servicer:
        async def set(self, service: str, status: int) -> None:
            """Take it."""

    monitor = HealthMonitor(Servicer(), (), {}, clock=lambda: now[0])  # type: ignore[arg-type]
    await monitor.start()
    await monitor.check()
    await asyncio.sleep(0)  # let it beat
    assert monitor.alive() and monitor.ready()
    now[0] += 30
    assert not monitor.alive() and not monitor.ready()
    monitor.stop()


async def test_what_workers_wait_for_keeps_callers_away_only_until_it_has_answered_once() -> None:
    away = {"database": False, "queue": True}

    class Servicer:
        async def set(self, service: str, status: int) -> None:
            """Take it."""

    def check(name: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            if away[name]:
                raise OSError("it is away")

        return run

    monitor = HealthMonitor(Servicer(), (), {"database": check("database")}, {"queue": check("queue")})  # type: ignore[arg-type]
    await monitor.start()
    ready = []
    for away["database"], away["queue"] in ((False, True), (False, False), (False, True), (True, False)):
        ready.append(await monitor.check())
    assert ready == [False, True, True, False]
    monitor.stop()


def test_the_probes_answer_while_the_loop_hangs() -> None:
    hung = threading.Event()
    with serve_http(CollectorRegistry(), "127.0.0.1:0", {"/livez": lambda: not hung.is_set()}) as port:

        async def look() -> list[int]:
            found = [get(port, "/livez")]  # blocks the loop
            hung.set()
            return [*found, *(get(port, path) for path in ("/livez", "/metrics", "/other"))]

        assert asyncio.run(look()) == [200, 503, 200, 404]


async def test_too_many_calls_are_refused_but_not_those_of_health() -> None:
    calls = Calls()
    async with running(calls, max_concurrent_rpcs=2) as (_, channel):
        method = channel.unary_unary("/test.Calls/Wait")
        first = [method(b"a"), method(b"b")]
        await calls.begun(2)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await method(b"c")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        status = dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"]
        assert b"TOO_MANY_CALLS" in status and b"google.rpc.RetryInfo" in status
        assert await health(channel, "live") == SERVING
        calls.go.set()
        assert await asyncio.gather(*first) == [b"a", b"b"]
        assert await method(b"d") == b"d"


async def test_streams_take_no_places_of_calls_nor_both_those_of_services() -> None:
    calls = Calls()
    async with running(calls, max_concurrent_rpcs=1, max_concurrent_streams=2) as (_, channel):
        watch, wait = channel.unary_stream("/test.Calls/Watch"), channel.unary_unary("/test.Calls/Wait")
        streams = [watch(b"a"), watch(b"b")]
        await calls.begun(2)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await watch(b"c").read()
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        one = wait(b"d")
        await calls.begun(3)
        with pytest.raises(grpc.aio.AioRpcError):
            await wait(b"e")
        service = wait(b"f", metadata=(("ingestor-call", "of a service"),))
        await calls.begun(4)
        calls.go.set()
        assert [await one, await service] == [b"d", b"f"]
        assert [await stream.read() for stream in streams] == [b"a", b"b"]


async def test_old_connections_are_given_up_without_a_failed_call() -> None:
    calls = Calls()
    calls.go.set()
    async with running(calls, max_connection_age_seconds=0.2) as (_, channel):
        method = channel.unary_unary("/test.Calls/Wait")
        peers = set[bytes]()
        async with asyncio.timeout(20):
            while len(peers) < 4:
                peers.add(await method(b"peer"))
