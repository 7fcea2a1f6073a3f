"""The connection to a suite's gateway: calls with a time limit, repeated while the connection is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cached_property
from typing import Protocol, TypeVar

import grpc

from ingestor.client.access.credentials import Credentials
from ingestor.client.channel import Endpoint
from ingestor.client.errors import (
    DeadlineExceededError,
    IngestorError,
    UnauthenticatedError,
    UnavailableError,
    from_rpc,
    is_transient,
)
from ingestor.runtime.protobuf.large_fields import sending_bytes
from ingestor.v1 import (
    access_pb2_grpc,
    orchestrator_pb2_grpc,
    pipelines_pb2_grpc,
    processor_pb2_grpc,
    status_pb2_grpc,
    upload_pb2,
    upload_pb2_grpc,
)

Request = TypeVar("Request", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
T = TypeVar("T")

LONG_SECONDS = 900.0
"""Default time limit of calls that read a whole file or change many rows."""

_NOT_BEGUN = "TOO_MANY_CALLS"  # nothing was done for the call
_ACCEPTED_AFTER = 1.0  # seconds; a renewed token that is refused sooner will not be accepted later


class Unary(Protocol[Request, Answer]):
    """A call with one request and one answer."""

    def __call__(self, request: Request, /, *, timeout: float | None = None) -> Awaitable[Answer]: ...


class Pauses:
    """The pauses between tries, longer and longer, for `patience` seconds since the last progress."""

    def __init__(self, patience: float, credentials: Credentials) -> None:
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._credentials = credentials
        self._generation = credentials.generation
        self.progress()

    def progress(self) -> None:
        """Something went well: count from here."""
        self._end, self._next = self._loop.time() + self._patience, 0.2
        self._renewed = 0.0

    async def pause(self) -> bool:
        """Wait before the next try; False when patience is at its end."""
        if self._loop.time() + self._next > self._end:
            return False
        await asyncio.sleep(self._next)
        self._next = min(self._next * 2, 5.0)
        return True

    async def renew(self) -> bool:
        """Renew the token that was refused; False when it cannot be, or was just renewed. Raises what
        Credentials.renew raises."""
        if self._loop.time() < self._renewed + _ACCEPTED_AFTER:
            return False
        by_others = self._generation != self._credentials.generation
        found = await self._credentials.renew(self._generation)
        self._generation = self._credentials.generation
        if not by_others:
            self._renewed = self._loop.time()
        return found


class Gateway:
    """An open connection; `timeout` and `patience` as of AsyncClient."""

    def __init__(
        self,
        endpoint: Endpoint,
        timeout: float,
        patience: float,
        on_lost: Callable[[str], None] | None,
        credentials: Credentials,
    ) -> None:
        self.credentials = credentials
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
        return self._endpoint.open_channel(self.credentials.interceptors())

    @property
    def uploads(self) -> upload_pb2_grpc.UploadServiceAsyncStub:
        """The upload service."""
        return upload_pb2_grpc.UploadServiceStub(self._channel)

    @property
    def write_upload(self) -> grpc.aio.StreamUnaryMultiCallable[bytes, upload_pb2.WriteUploadResponse]:
        """UploadService.WriteUpload, with requests that are bytes already."""
        service = upload_pb2.DESCRIPTOR.services_by_name["UploadService"]
        return sending_bytes(self._channel, service, "WriteUpload", upload_pb2.WriteUploadResponse)

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

    @property
    def access(self) -> access_pb2_grpc.AccessServiceAsyncStub:
        """Keys, members, quotas, the audit log."""
        return access_pb2_grpc.AccessServiceStub(self._channel)

    def pauses(self, patience: float | None = None) -> Pauses:
        """The pauses of a call; None: the client's patience."""
        return Pauses(self.patience if patience is None else patience, self.credentials)

    async def again(self, known: IngestorError, pauses: Pauses) -> bool:
        """Whether to call again after an error: at once with a token that was renewed, after a pause when the
        connection was lost. Raises UnauthenticatedError when the token cannot be renewed any more."""
        if isinstance(known, UnauthenticatedError):
            try:
                return await pauses.renew()
            except UnavailableError as error:
                known = error
        if not is_transient(known):
            return False
        self.on_lost(known.message)
        return await pauses.pause()

    async def close(self) -> None:
        """Close the connection; harmless when it is closed."""
        self._closed = True
        if channel := self.__dict__.pop("_channel", None):
            await channel.close()

    async def call(
        self,
        method: Unary[Request, Answer],
        request: Request,
        timeout: float | None,
        default: float = 0.0,
        repeat: bool = True,
    ) -> Answer:
        """The answer to a request; with `repeat` its repetition is harmless. A token that has ended is
        renewed.

        Raises DeadlineExceededError after `timeout` seconds in all (None: `default`, at least the
        client's), UnavailableError when the connection stays lost, and what the suite answers.
        """
        loop = asyncio.get_running_loop()
        limit = max(self.timeout, default) if timeout is None else timeout
        end = loop.time() + limit
        pauses = self.pauses(min(self.patience, limit))
        while True:
            try:
                return await method(request, timeout=max(0.0, end - loop.time()))
            except grpc.aio.AioRpcError as error:
                known = from_rpc(error)
                if known.code == DeadlineExceededError.code:
                    raise DeadlineExceededError(f"no answer within {limit:g} s") from None
                if is_transient(known) and not repeat and known.reason != _NOT_BEGUN:
                    raise known from None
                if not await self.again(known, pauses):
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
