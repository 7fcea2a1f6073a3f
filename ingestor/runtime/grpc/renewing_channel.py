"""A channel that uses renewed certificates; gRPC itself reads those of a client only once."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any, Self

import grpc

from ingestor.runtime.grpc.credentials import Identity, TlsFiles


class _Opened:
    """A channel and its calls under way; nobody waits for a call that is forgotten."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.calls: weakref.WeakSet[Any] = weakref.WeakSet()


class RenewingChannel(grpc.aio.Channel):
    """Opens a channel anew when the files have changed. Calls under way end on the channel on which they
    began."""

    def __init__(self, files: TlsFiles, open_: Callable[[Identity], grpc.aio.Channel]) -> None:
        self._files = files
        self._open = open_
        self._identity = files.current()
        self._current = _Opened(open_(self._identity))
        self._former: list[_Opened] = []
        self._closing = set[asyncio.Task[None]]()

    def current(self) -> _Opened:
        """The channel for the next call."""
        identity = self._files.current()
        if identity is not self._identity:
            self._former.append(self._current)
            self._identity, self._current = identity, _Opened(self._open(identity))
            self._close_former()
        return self._current

    def begun(self, opened: _Opened, call: Any) -> None:
        """A call has begun."""
        opened.calls.add(call)
        call.add_done_callback(lambda done: self._ended(opened, done))

    def _ended(self, opened: _Opened, call: Any) -> None:
        opened.calls.discard(call)
        if self._former:
            self._close_former()

    def _close_former(self) -> None:
        """Close those without calls."""
        idle = [former for former in self._former if not former.calls]
        self._former = [former for former in self._former if former.calls]
        for former in idle:
            task = asyncio.get_running_loop().create_task(former.channel.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self, grace: float | None = None) -> None:
        """Close it, with what is left of its former channels."""
        opened, self._former = [*self._former, self._current], []
        await asyncio.gather(*self._closing, *(each.channel.close(grace) for each in opened))

    async def __aenter__(self) -> Self:
        """The channel."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Of the current channel."""
        return self.current().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Of the current channel."""
        await self.current().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Of the current channel."""
        await self.current().channel.channel_ready()

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
        self._opened: _Opened | None = None
        self._begin: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Begin a call."""
        opened = self._owner.current()
        if opened is not self._opened:
            self._opened, self._begin = opened, self._of(opened.channel)
        call = self._begin(*arguments, **options)
        self._owner.begun(opened, call)
        return call
