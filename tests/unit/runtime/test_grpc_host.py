"""The host, its health and its interceptor, over a real channel and on all four kinds of RPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from ingestor.runtime.errors import (
    FieldViolation,
    InvalidArgumentError,
    ServiceError,
    TransientError,
    from_rpc_error,
)
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.host import Service, host
from ingestor.runtime.observability.tracing import continue_trace, current_traceparent, trace_id
from ingestor.runtime.settings import ServiceSettings

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
SETTINGS = ServiceSettings(
    listen="127.0.0.1:0",
    metrics_listen="",
    database_url=SecretStr("postgresql://unused"),
    reflection="service",
    drain_seconds=5,
)


def outcome(word: bytes) -> bytes:
    """What the test's methods do with a request."""
    if word == b"invalid":
        raise InvalidArgumentError(
            "BAD_WORD", "That word is bad.", violations=[FieldViolation("word", "must be good")]
        )
    if word == b"long":
        name = "\N{GRINNING FACE}" * 100_000 + "\ud800"
        raise InvalidArgumentError(
            "BAD_WORD",
            f"{name} is bad.",
            metadata={"word": name},
            violations=[FieldViolation(name, name)] * 99,
        )
    if word == b"transient":
        raise TransientError("secret host is down")
    if word == b"bug":
        raise KeyError("secret")
    if word == b"trace":
        return trace_id(current_traceparent()).encode()
    return word.upper()


def register(server: grpc.aio.Server) -> None:
    """Add one method of each kind; requests and responses are plain bytes."""

    async def unary_unary(request: bytes, context: Any) -> bytes:
        return outcome(request)

    async def stream_unary(requests: AsyncIterator[bytes], context: Any) -> bytes:
        return b" ".join([outcome(request) async for request in requests])

    async def unary_stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
        for word in request.split():
            yield outcome(word)

    async def stream_stream(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield outcome(request)

    handlers: dict[str, Any] = {
        "unary_unary": grpc.unary_unary_rpc_method_handler(unary_unary),
        "stream_unary": grpc.stream_unary_rpc_method_handler(stream_unary),
        "unary_stream": grpc.unary_stream_rpc_method_handler(unary_stream),
        "stream_stream": grpc.stream_stream_rpc_method_handler(stream_stream),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Words", handlers),))


class Dependency:
    """A dependency that a test can break."""

    def __init__(self) -> None:
        self.up = True

    async def check(self) -> None:
        """A health check."""
        if not self.up:
            raise OSError("down")


@asynccontextmanager
async def running(
    registry: CollectorRegistry | None = None, dependency: Dependency | None = None, workers: Any = ()
) -> AsyncIterator[Any]:
    """The host with the test's service, and a channel to it."""
    found = dependency or Dependency()

    @asynccontextmanager
    async def bootstrap(registry: CollectorRegistry) -> AsyncIterator[Service]:
        yield Service(register, ("test.Words",), {"dependency": found.check}, workers)

    async with (
        host(SETTINGS, bootstrap, registry or CollectorRegistry()) as service,
        open_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        yield channel


async def call(channel: Any, kind: str, words: list[bytes]) -> bytes:
    """Call the method of that kind and join what it answers."""

    async def stream() -> AsyncIterator[bytes]:
        for word in words:
            yield word

    method = f"/test.Words/{kind}"
    if kind == "unary_unary":
        return bytes(await channel.unary_unary(method)(words[0]))
    if kind == "stream_unary":
        return bytes(await channel.stream_unary(method)(stream()))
    if kind == "unary_stream":
        return b" ".join([part async for part in channel.unary_stream(method)(b" ".join(words))])
    return b" ".join([part async for part in channel.stream_stream(method)(stream())])


async def failure(channel: Any, kind: str, word: bytes) -> grpc.aio.AioRpcError:
    """The error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, kind, [word])
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_answers_and_is_counted(kind: str) -> None:
    registry = CollectorRegistry()
    async with running(registry) as channel:
        assert await call(channel, kind, [b"a"]) == b"A"
    labels = {"method": f"/test.Words/{kind}", "code": "OK"}
    assert registry.get_sample_value("grpc_server_handled_total", labels) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_gives_rich_errors(kind: str) -> None:
    registry = CollectorRegistry()
    async with running(registry) as channel:
        error = from_rpc_error(await failure(channel, kind, b"invalid"))
    assert isinstance(error, ServiceError)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_WORD")
    assert error.violations == (FieldViolation("word", "must be good"),)
    labels = {"method": f"/test.Words/{kind}", "code": "INVALID_ARGUMENT"}
    assert registry.get_sample_value("grpc_server_handled_total", labels) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_long_errors_are_cut(kind: str) -> None:
    """A client gives up a call whose error is longer than 8 KiB, and does not learn what it was."""
    async with running() as channel:
        failed = await failure(channel, kind, b"long")
        size = sum(len(key) + len(value) for key, value in failed.trailing_metadata())
        assert size < 6000, "the message comes beside it, percent-encoded"
        error = from_rpc_error(failed)
        assert isinstance(error, InvalidArgumentError) and error.reason == "BAD_WORD"
        assert error.message.endswith("\N{GRINNING FACE}…") and error.violations


@pytest.mark.parametrize("kind", KINDS)
async def test_internal_errors_hide_their_cause(kind: str) -> None:
    async with running() as channel:
        bug = await failure(channel, kind, b"bug")
        assert bug.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in (bug.details() or "")


@pytest.mark.parametrize("kind", ("unary_unary", "stream_unary"))
async def test_transient_errors_become_unavailable(kind: str) -> None:
    async with running() as channel:
        error = await failure(channel, kind, b"transient")
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "secret" not in (error.details() or "")


@pytest.mark.parametrize("kind", KINDS[:3])
async def test_the_trace_is_continued(kind: str) -> None:
    async with running() as channel:
        mine = continue_trace(None)
        assert await call(channel, kind, [b"trace"]) == trace_id(mine).encode()


async def test_health_follows_its_dependency() -> None:
    dependency = Dependency()
    dependency.up = False
    async with running(dependency=dependency) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="test.Words"))
        states = watch.__aiter__()
        assert (await anext(states)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        dependency.up = True
        async with asyncio.timeout(10):
            assert (await anext(states)).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


async def test_reflection_lists_the_service() -> None:
    async with running() as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        call_ = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        answer = await call_.read()
        assert "test.Words" in {service.name for service in answer.list_services_response.service}
        call_.cancel()


class Steady:
    """A worker that records that it was asked to stop."""

    name = "steady"

    def __init__(self) -> None:
        self.stopped = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Wait for the end."""
        await stopping.wait()
        self.stopped = True


class Broken:
    """A worker that fails at once."""

    name = "broken"

    async def run(self, stopping: asyncio.Event) -> None:
        """Fail."""
        raise ValueError("broken")


async def test_workers_are_told_to_stop() -> None:
    worker = Steady()
    async with running(workers=[worker]):
        assert not worker.stopped
    assert worker.stopped


async def test_a_failing_worker_ends_the_service() -> None:
    async def wait_for_ever() -> None:
        async with running(workers=[Broken()]):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait_for_ever())
    async with asyncio.timeout(10):
        await asyncio.wait([task])
    assert task.cancelled() or isinstance(task.exception(), RuntimeError)
