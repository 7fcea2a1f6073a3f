"""Client interceptors that add metadata to calls, such as the current trace. The client library needs them,
so they import nothing beyond gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import grpc

from ingestor.runtime.grpc.client_calls import Pairs, intercepting, with_metadata
from ingestor.runtime.observability import tracing

FROM_SERVICE = "ingestor-call"
"""Metadata of calls between services, which the gateway takes off all others."""

_with_spans: Callable[[], list[grpc.aio.ClientInterceptor]] | None = None
with suppress(ImportError):  # OpenTelemetry's API is not there, as with the client library alone
    from ingestor.runtime.grpc.call_spans import client_spans as _with_spans


def adding(metadata: Callable[[], Awaitable[Pairs]]) -> list[grpc.aio.ClientInterceptor]:
    """Interceptors that add what `metadata` returns to each call of a channel. What it raises ends
    the call."""

    async def call(continuation: Any, details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        return await continuation(with_metadata(details, await metadata()), request)

    return intercepting(call)


def client_interceptors() -> list[grpc.aio.ClientInterceptor]:
    """The interceptors of every channel: they send the current trace along, with a span of their own if there
    is OpenTelemetry and records the current one."""
    return _with_spans() if _with_spans else adding(_trace)


async def _trace() -> Pairs:
    return [(tracing.TRACEPARENT, tracing.current_traceparent())]
