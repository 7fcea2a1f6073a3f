"""Client interceptors that make a span of each call within a recorded span, and send the trace along. They
need OpenTelemetry's API."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ingestor.runtime.grpc.client_calls import intercepting, with_metadata
from ingestor.runtime.observability import spans, tracing

_running = set[asyncio.Task[None]]()  # asyncio itself holds tasks weakly


def client_spans() -> list[grpc.aio.ClientInterceptor]:
    """The interceptors for a channel."""
    return intercepting(_call)


def rpc_attributes(method: str) -> dict[str, str]:
    """What a span says of a call of /package.Service/Method, by the conventions of OpenTelemetry."""
    return {"rpc.system.name": "grpc", "rpc.method": method.removeprefix("/")}


async def _call(continuation: Any, details: grpc.aio.ClientCallDetails, request: Any) -> Any:
    traceparent = tracing.current_traceparent()
    made = None
    if trace.get_current_span().is_recording():
        method = details.method if isinstance(details.method, str) else details.method.decode()
        made = spans.tracer().start_span(
            method.removeprefix("/"), kind=SpanKind.CLIENT, attributes=rpc_attributes(method)
        )
        with trace.use_span(made):
            traceparent = tracing.current_traceparent()
    changed = with_metadata(details, [(tracing.TRACEPARENT, traceparent)])
    if made is None:
        return await continuation(changed, request)
    try:
        call = await continuation(changed, request)
    except BaseException as error:
        spans.fail(made, error)
        made.end()
        raise
    call.add_done_callback(lambda done: _finish(made, done))
    return call


def _finish(made: Span, call: Any) -> None:
    task = asyncio.ensure_future(_end(made, call))
    _running.add(task)
    task.add_done_callback(_running.discard)


async def _end(made: Span, call: Any) -> None:
    code = await call.code()  # known by now
    made.set_attribute("rpc.response.status_code", code.name)
    if code is not grpc.StatusCode.OK:
        made.set_attribute("error.type", code.name)
        if code is not grpc.StatusCode.CANCELLED:  # the caller has heard enough
            made.set_status(Status(StatusCode.ERROR))
    made.end()
