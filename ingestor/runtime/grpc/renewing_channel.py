"""A channel that uses renewed certificates; gRPC itself reads those of a client only once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import grpc

from ingestor.runtime.grpc.credentials import Identity, TlsFiles

_LAST_CALLS_SECONDS = 24 * 3600.0  # what calls have to end in over a connection with the former certificate


class RenewingChannel(grpc.aio.Channel):
    """Opens a channel anew when the files have changed. Calls under way end on the channel on which they
    began."""

    def __init__(self, files: TlsFiles, open_: Callable[[Identity], grpc.aio.Channel]) -> None:
        self._files = files
        self._open = open_
        self._identity = files.current()
        self._channel = open_(self._identity)
        self._retired: dict[asyncio.Task[None], grpc.aio.Channel] = {}

    def current(self) -> grpc.aio.Channel:
        """The channel for the next call."""
        identity = self._files.current()
        if identity is not self._identity:
            former, self._identity, self._channel = self._channel, identity, self._open(identity)
            task = asyncio.get_running_loop().create_task(former.close(_LAST_CALLS_SECONDS))
            self._retired[task] = former
            task.add_done_callback(lambda done: self._retired.pop(done, None))
        return self._channel

    async def close(self, grace: float | None = None) -> None:
        """Close it, with what is left of its former channels."""
        for task, channel in list(self._retired.items()):
            task.cancel()
            await channel.close()
        await self._channel.close(grace)

    async def __aenter__(self) -> Self:
        """The channel."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Of the current channel."""
        return self.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Of the current channel."""
        await self.current().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Of the current channel."""
        await self.current().channel_ready()

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return _Method(self, lambda channel: channel.unary_unary(*arguments, **options))

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return _Method(self, lambda channel: channel.unary_stream(*arguments, **options))

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return _Method(self, lambda channel: channel.stream_unary(*arguments, **options))

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return _Method(self, lambda channel: channel.stream_stream(*arguments, **options))


class _Method:
    """A method of a stub, which lives as long as the RenewingChannel."""

    def __init__(self, owner: RenewingChannel, of: Callable[[grpc.aio.Channel], Any]) -> None:
        self._owner = owner
        self._of = of
        self._channel: grpc.aio.Channel | None = None
        self._call: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Begin a call."""
        channel = self._owner.current()
        if channel is not self._channel:
            self._channel, self._call = channel, self._of(channel)
        return self._call(*arguments, **options)
