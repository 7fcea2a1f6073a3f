"""The interceptor of every gRPC server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog
from google.rpc import status_pb2
from grpc_status import rpc_status
from opentelemetry.trace import SpanKind, Status, StatusCode

from ingestor.runtime.errors import ServiceError, TransientError, UnavailableError, to_rpc_status
from ingestor.runtime.grpc.call_spans import rpc_attributes
from ingestor.runtime.grpc.handlers import behaviour_of, each, replaced
from ingestor.runtime.grpc.messages import lenient, readable
from ingestor.runtime.observability import spans, tracing
from ingestor.runtime.observability.metrics import RpcMetrics

log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]

_UNTRACED = ("/grpc.health.", "/grpc.reflection.")
# By the conventions of OpenTelemetry the others are faults of the caller, no errors of the server.
_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class ServerInterceptor(grpc.aio.ServerInterceptor):
    """Continues the caller's trace, turns errors into rich statuses, counts and times every RPC.

    A ServiceError becomes its own status, a TransientError UNAVAILABLE, and anything else INTERNAL with
    nothing but the trace id: its cause is logged.
    """

    def __init__(self, metrics: RpcMetrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the method's behaviour, whichever of the four kinds of RPC it is."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        method = handler_call_details.method
        parent = next(
            (v for k, v in handler_call_details.invocation_metadata if k == tracing.TRACEPARENT), None
        )
        inner = behaviour_of(handler)

        async def answer_one(request: Any, context: Context) -> Any:
            call = _Call(self._metrics, method, parent)
            try:
                return await inner(readable(request), context)
            except BaseException as error:
                await call.fail(error, context)
                raise
            finally:
                call.end(context)

        async def answer_many(request: Any, context: Context) -> AsyncIterator[Any]:
            call = _Call(self._metrics, method, parent)
            try:
                async for response in each(inner(readable(request), context)):
                    yield response
            except BaseException as error:
                await call.fail(error, context)
                raise
            finally:
                call.end(context)

        return replaced(handler, answer_one, answer_many, lenient(handler.request_deserializer))


class _Call:
    """One RPC while it runs."""

    def __init__(self, metrics: RpcMetrics, method: str, parent: str | bytes | None) -> None:
        self._metrics = metrics
        self._method = method
        self._started = time.perf_counter()
        self._code = grpc.StatusCode.OK
        self._metrics.in_flight.labels(method).inc()
        structlog.contextvars.bind_contextvars(rpc=method)
        known = parent if isinstance(parent, str) else None
        self._span = None
        if method.startswith(_UNTRACED):
            tracing.continue_trace(known)
        else:
            name = method.removeprefix("/")
            self._span = spans.begin(name, SpanKind.SERVER, known, rpc_attributes(method))

    async def fail(self, error: BaseException, context: Context) -> None:
        """Abort the call with a status; returns only for errors that must propagate unchanged."""
        if isinstance(error, grpc.aio.AbortError):  # the method itself has set a status
            self._code = _code_of(context)
            return
        if not isinstance(error, Exception):  # cancelled by the client or by a shutdown
            self._code = grpc.StatusCode.CANCELLED
            return
        if isinstance(error, TransientError):
            log.warning("dependency unavailable", error=str(error))
            error = UnavailableError(
                "DEPENDENCY_UNAVAILABLE", "A part of the suite does not respond; try again shortly."
            )
        if isinstance(error, ServiceError):
            self._code = error.code
            status = rpc_status.to_status(to_rpc_status(error))
        else:
            self._code = grpc.StatusCode.INTERNAL
            log.error("unexpected error", exc_info=error)
            trace = tracing.trace_id(tracing.current_traceparent())
            message = f"Internal error; its cause is in the log of trace {trace}."
            status = rpc_status.to_status(status_pb2.Status(code=13, message=message))
        await context.abort_with_status(status)

    def end(self, context: Context) -> None:
        """Count the call, and end its span."""
        self._metrics.in_flight.labels(self._method).dec()
        self._metrics.handled.labels(self._method, self._code.name).inc()
        seconds = time.perf_counter() - self._started
        self._metrics.seconds.labels(self._method).observe(seconds, spans.exemplar())
        if self._span is None:
            return
        self._span.set_attribute("rpc.response.status_code", self._code.name)
        if self._code is not grpc.StatusCode.OK:
            self._span.set_attribute("error.type", self._code.name)
        if self._code in _FAULTS:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def _code_of(context: Context) -> grpc.StatusCode:
    code: Any = context.code()
    if isinstance(code, int):
        return next((c for c in grpc.StatusCode if c.value[0] == code), grpc.StatusCode.UNKNOWN)
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN
