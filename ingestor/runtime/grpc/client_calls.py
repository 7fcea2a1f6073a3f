"""What interceptors of a client do with a call, whichever of the three kinds of RPC of the suite it is. The
client library needs them, so they import nothing beyond gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc

Pairs = Iterable[tuple[str, str]]
# Makes the call: gets what continues it, its details and its request or requests.
Call = Callable[[Any, grpc.aio.ClientCallDetails, Any], Awaitable[Any]]


def intercepting(call: Call) -> list[grpc.aio.ClientInterceptor]:
    """The interceptors for a channel, each of whose calls is made by `call`."""
    return [_UnaryUnary(call), _UnaryStream(call), _StreamUnary(call)]


def with_metadata(details: grpc.aio.ClientCallDetails, pairs: Pairs) -> grpc.aio.ClientCallDetails:
    """The details with further metadata."""
    metadata = grpc.aio.Metadata(*(details.metadata or ()))
    for name, value in pairs:
        metadata.add(name, value)
    return grpc.aio.ClientCallDetails(
        details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
    )


class _Intercepting:
    def __init__(self, call: Call) -> None:
        self._call = call


class _UnaryUnary(_Intercepting, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Make the call."""
        return await self._call(continuation, client_call_details, request)


class _UnaryStream(_Intercepting, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Make the call."""
        return await self._call(continuation, client_call_details, request)


class _StreamUnary(_Intercepting, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        """Make the call."""
        return await self._call(continuation, client_call_details, request_iterator)
