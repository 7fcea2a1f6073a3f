"""Calls between services without a network: a channel whose stubs call the servicers of this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class LocalChannel:
    """As much of a grpc.aio.Channel as generated stubs use. Errors of a servicer come as they are raised."""

    def __init__(self, **servicers: Any) -> None:
        """By the names of their services, without package."""
        self._servicers = servicers

    def _method(self, path: str) -> Callable[..., Any]:
        service, _, method = path.lstrip("/").partition("/")
        servicer = self._servicers.get(service.rpartition(".")[2])

        def call(request: Any, timeout: float | None = None) -> Any:
            return getattr(servicer, method)(request, None)

        return call

    def unary_unary(self, path: str, *_: Any, **__: Any) -> Callable[..., Any]:
        return self._method(path)

    unary_stream = stream_unary = stream_stream = unary_unary
