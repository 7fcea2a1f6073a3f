"""How many calls a server answers at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, Counter

from ingestor.runtime.errors import UnavailableError
from ingestor.runtime.grpc.handlers import behaviour_of, each, replaced

Context = grpc.aio.ServicerContext[Any, Any]
# A full server is still healthy, and must be able to say so.
_ALWAYS = "/grpc.health.v1.Health/"
_RETRY_SECONDS = 0.5


class Admission(grpc.aio.ServerInterceptor):
    """Refuses calls while there are too many, before anything is done for them, by UNAVAILABLE
    (TOO_MANY_CALLS): another instance may have room."""

    def __init__(self, most: int, registry: CollectorRegistry) -> None:
        self._most = most
        self._running = 0
        self._refused = Counter(
            "ingestor_calls_over_limit_total", "Calls refused because too many were running.",
            registry=registry,
        )  # fmt: skip

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the method's behaviour, whichever of the four kinds of RPC it is."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_ALWAYS):
            return handler
        inner = behaviour_of(handler)

        async def answer_one(request: Any, context: Context) -> Any:
            with self._place():
                return await inner(request, context)

        async def answer_many(request: Any, context: Context) -> AsyncIterator[Any]:
            with self._place():
                async for response in each(inner(request, context)):
                    yield response

        return replaced(handler, answer_one, answer_many)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._running >= self._most:
            self._refused.inc()
            raise UnavailableError(
                "TOO_MANY_CALLS", "The service is answering as many calls as it may; try again shortly.",
                metadata={"limit": str(self._most)}, retry_seconds=_RETRY_SECONDS,
            )  # fmt: skip
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
