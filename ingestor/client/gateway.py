"""The connection to a suite's gateway: calls with a time limit, repeated while the connection is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cached_property
from typing import Protocol, TypeVar

import grpc

from ingestor.client.channel import Endpoint
from ingestor.client.errors import DeadlineExceededError, from_rpc, is_transient
from ingestor.v1 import (
    orchestrator_pb2_grpc,
    pipelines_pb2_grpc,
    processor_pb2_grpc,
    status_pb2_grpc,
    upload_pb2_grpc,
)

Request = TypeVar("Request", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
T = TypeVar("T")

LONG_SECONDS = 900.0
"""Default time limit of calls that read a whole file or change many rows."""


class Unary(Protocol[Request, Answer]):
    """A call with one request and one answer."""

    def __call__(self, request: Request, /, *, timeout: float | None = None) -> Awaitable[Answer]: ...


class Pauses:
    """The pauses between tries, longer and longer, for `patience` seconds since the last progress."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self.progress()

    def progress(self) -> None:
        """Something went well: count from here."""
        self._end, self._next = self._loop.time() + self._patience, 0.2

    async def pause(self) -> bool:
        """Wait before the next try; False when patience is at its end."""
        if self._loop.time() + self._next > self._end:
            return False
        await asyncio.sleep(self._next)
        self._next = min(self._next * 2, 5.0)
        return True


class Gateway:
    """An open connection; `timeout` and `patience` as of AsyncClient."""

    def __init__(
        self, endpoint: Endpoint, timeout: float, patience: float, on_lost: Callable[[str], None] | None
    ) -> None:
        self.timeout = timeout
        self.patience = patience
        self.on_lost = on_lost or (lambda _: None)
        self._endpoint = endpoint
        self._closed = False

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        # Made at the first call, since it belongs to the event loop that runs then.
        if self._closed:
            raise RuntimeError("the client is closed")
        return self._endpoint.open_channel()

    @property
    def uploads(self) -> upload_pb2_grpc.UploadServiceAsyncStub:
        """The upload service."""
        return upload_pb2_grpc.UploadServiceStub(self._channel)

    @property
    def orchestrator(self) -> orchestrator_pb2_grpc.OrchestratorServiceAsyncStub:
        """The orchestrator."""
        return orchestrator_pb2_grpc.OrchestratorServiceStub(self._channel)

    @property
    def processor(self) -> processor_pb2_grpc.ProcessorServiceAsyncStub:
        """The processor."""
        return processor_pb2_grpc.ProcessorServiceStub(self._channel)

    @property
    def pipelines(self) -> pipelines_pb2_grpc.PipelineServiceAsyncStub:
        """The pipeline catalogue."""
        return pipelines_pb2_grpc.PipelineServiceStub(self._channel)

    @property
    def status(self) -> status_pb2_grpc.StatusServiceAsyncStub:
        """The status service."""
        return status_pb2_grpc.StatusServiceStub(self._channel)

    async def close(self) -> None:
        """Close the connection; harmless when it is closed."""
        self._closed = True
        if channel := self.__dict__.pop("_channel", None):
            await channel.close()

    async def call(
        self, method: Unary[Request, Answer], request: Request, timeout: float | None, default: float = 0.0
    ) -> Answer:
        """The answer to a request whose repetition is harmless (all of the client's are).

        Raises DeadlineExceededError after `timeout` seconds in all (None: `default`, at least the
        client's), UnavailableError when the connection stays lost, and what the suite answers.
        """
        loop = asyncio.get_running_loop()
        limit = max(self.timeout, default) if timeout is None else timeout
        end = loop.time() + limit
        pauses = Pauses(min(self.patience, limit))
        while True:
            try:
                return await method(request, timeout=max(0.0, end - loop.time()))
            except grpc.aio.AioRpcError as error:
                known = from_rpc(error)
                if known.code == DeadlineExceededError.code:
                    raise DeadlineExceededError(f"no answer within {limit:g} s") from None
                if not is_transient(known):
                    raise known from None
                self.on_lost(known.message)
                if not await pauses.pause():
                    raise known from None

    async def pages(
        self,
        fetch: Callable[[int, str], Awaitable[tuple[list[T], str]]],
        limit: int | None = None,
    ) -> AsyncIterator[T]:
        """The items of all pages, at most `limit`; `fetch` gets a page's size and token."""
        token, left = "", limit
        while left is None or left > 0:
            items, token = await fetch(1000 if left is None else min(1000, left), token)
            for item in items:
                yield item
            if left is not None:
                left -= len(items)
            if not token:
                return
