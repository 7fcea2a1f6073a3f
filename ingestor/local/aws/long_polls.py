"""Lets MiniStack's long polls end as soon as a message comes: by itself it looks ten times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ingestor.runtime.workers import pause

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Message]], Send], Awaitable[None]]

_BRINGS = {
    b"AmazonSQS.SendMessage",
    b"AmazonSQS.SendMessageBatch",
    b"AmazonSQS.ChangeMessageVisibility",
    b"AmazonSQS.ChangeMessageVisibilityBatch",
}


class News:
    """What long polls wait for."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def tell(self) -> None:
        """Let every poll look again."""
        self._told.set()
        self._told = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until there is something to look at."""
        await pause(seconds, self._told)


class _Asyncio:
    """The module asyncio, with another `sleep`."""

    def __init__(self, news: News) -> None:
        self.sleep = news.sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


def with_news(app: App, news: News) -> App:
    """MiniStack, whose long polls look again after each request that may bring a message."""
    from ministack.services import sqs  # type: ignore[import-untyped]

    sqs.asyncio = _Asyncio(news)

    async def telling(
        scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Message]], send: Send
    ) -> None:
        await app(scope, receive, send)
        if dict(scope.get("headers", ())).get(b"x-amz-target") in _BRINGS:
            news.tell()

    return telling
