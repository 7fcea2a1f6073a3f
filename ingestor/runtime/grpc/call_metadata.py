"""Client interceptors that add metadata to calls, such as the current trace. The client library needs them,
so they import nothing beyond gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import grpc

from ingestor.runtime.observability import tracing

_with_spans: Callable[[], list[grpc.aio.ClientInterceptor]] | None = None
with suppress(ImportError):  # OpenTelemetry's API is not there, as with the client library alone
    from ingestor.runtime.grpc.call_spans import client_spans as _with_spans

Pairs = Iterable[tuple[str, str]]


def adding(metadata: Callable[[], Awaitable[Pairs]]) -> list[grpc.aio.ClientInterceptor]:
    """Interceptors that add what `metadata` returns to each call of a channel. What it raises ends
    the call."""
    return [_UnaryUnary(metadata), _UnaryStream(metadata), _StreamUnary(metadata)]


def client_interceptors() -> list[grpc.aio.ClientInterceptor]:
    """The interceptors of every channel: they send the current trace along, with a span of their own if there
    is OpenTelemetry and records the current one."""
    return _with_spans() if _with_spans else adding(_trace)


async def _trace() -> Pairs:
    return [(tracing.TRACEPARENT, tracing.current_traceparent())]


class _Adding:
    def __init__(self, metadata: Callable[[], Awaitable[Pairs]]) -> None:
        self._metadata = metadata

    async def _call(self, continuation: Any, details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        for name, value in await self._metadata():
            metadata.add(name, value)
        changed = grpc.aio.ClientCallDetails(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
        )
        return await continuation(changed, request)


class _UnaryUnary(_Adding, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Add the metadata."""
        return await self._call(continuation, client_call_details, request)


class _UnaryStream(_Adding, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Add the metadata."""
        return await self._call(continuation, client_call_details, request)


class _StreamUnary(_Adding, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        """Add the metadata."""
        return await self._call(continuation, client_call_details, request_iterator)
