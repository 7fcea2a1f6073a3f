"""Client interceptors that send the current trace along. The client library needs them, so they import
nothing beyond gRPC."""

from __future__ import annotations

from typing import Any

import grpc

from ingestor.runtime import tracing


def _with_trace(details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*(details.metadata or ()))
    metadata.add(tracing.TRACEPARENT, tracing.current_traceparent())
    return grpc.aio.ClientCallDetails(
        details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
    )


class TraceUnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    """Sends the current traceparent along."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Add the metadata."""
        return await continuation(_with_trace(client_call_details), request)


class TraceUnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    """Sends the current traceparent along."""

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Add the metadata."""
        return await continuation(_with_trace(client_call_details), request)


class TraceStreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    """Sends the current traceparent along."""

    async def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        """Add the metadata."""
        return await continuation(_with_trace(client_call_details), request_iterator)


def client_interceptors() -> list[grpc.aio.ClientInterceptor]:
    """The interceptors of every channel."""
    return [TraceUnaryUnary(), TraceUnaryStream(), TraceStreamUnary()]
