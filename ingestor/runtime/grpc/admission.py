"""How many calls a server answers at a time."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import grpc
from prometheus_client import CollectorRegistry, Counter

from ingestor.runtime.errors import UnavailableError
from ingestor.runtime.grpc.call_metadata import FROM_SERVICE
from ingestor.runtime.grpc.handlers import behaviour_of, each, replaced

Context = grpc.aio.ServicerContext[Any, Any]
Kind = Literal["calls", "streams", "services"]
# A full server is still healthy, and must be able to say so.
_ALWAYS = "/grpc.health.v1.Health/"
_RETRY_SECONDS = 0.5


def too_many(what: str, limit: int, of: str) -> UnavailableError:
    """The refusal of a call for which there is no place now. Nothing was done for it, and another instance
    may have room. `of`: whose limit it is."""
    return UnavailableError(
        "TOO_MANY_CALLS", f"{what}; try again shortly.", metadata={"limit": str(limit), "of": of},
        retry_seconds=_RETRY_SECONDS,
    )  # fmt: skip


class Admission(grpc.aio.ServerInterceptor):
    """Refuses calls while there are too many, before anything is done for them, by UNAVAILABLE
    (TOO_MANY_CALLS). Streams, which last, take no places of other calls, and neither take places of what
    services ask each other, so that ingestion goes on."""

    def __init__(self, calls: int, streams: int, registry: CollectorRegistry) -> None:
        """The most calls with one request and one answer, and the most streams. Services have as many places
        of their own as `calls`."""
        self._most: dict[Kind, int] = {"calls": calls, "streams": streams, "services": calls}
        self._running = Counts[Kind]()
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
        kind: Kind = "streams" if handler.request_streaming or handler.response_streaming else "calls"
        # The gateway takes this header off; who is in the network and forges it is refused at once.
        if any(key == FROM_SERVICE for key, _ in handler_call_details.invocation_metadata or ()):
            kind = "services"

        async def answer_one(request: Any, context: Context) -> Any:
            with self._place(kind):
                return await inner(request, context)

        async def answer_many(request: Any, context: Context) -> AsyncIterator[Any]:
            with self._place(kind):
                async for response in each(inner(request, context)):
                    yield response

        return replaced(handler, answer_one, answer_many)

    @contextmanager
    def _place(self, kind: Kind) -> Iterator[None]:
        most = self._most[kind]
        if self._running[kind] >= most:
            self._refused.inc()
            what = "has as many streams open" if kind == "streams" else "is answering as many calls"
            raise too_many(f"The service {what} as it may", most, "instance")
        self._running[kind] += 1
        try:
            yield
        finally:
            self._running[kind] -= 1
