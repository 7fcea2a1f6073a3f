"""MiniStack's long polls hear of messages."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from ministack import app as ministack  # type: ignore[import-untyped]
from ministack.services import sqs  # type: ignore[import-untyped]

from ingestor.local.aws.long_polls import App, Message, News, with_news


class OnlyNews(News):
    """Polls look again when they are told, and never by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await super().sleep(3600)


@pytest.fixture
def news(monkeypatch: pytest.MonkeyPatch) -> OnlyNews:
    """What the polls hear."""
    monkeypatch.setattr(sqs, "asyncio", asyncio)  # put back at the end
    return OnlyNews()


@pytest.fixture
def app(news: OnlyNews) -> App:
    """MiniStack."""
    return with_news(ministack.app, news)


async def ask(app: App, action: str, **data: Any) -> Any:
    """What an action of SQS answers."""
    body = [json.dumps(data).encode()]
    found: list[Message] = []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"application/x-amz-json-1.0"),
            (b"x-amz-target", f"AmazonSQS.{action}".encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body.pop(), "more_body": False}

    async def send(message: Message) -> None:
        found.append(message)

    await app(scope, receive, send)
    assert found[0]["status"] == 200, found
    return json.loads(b"".join(message.get("body", b"") for message in found[1:]))


async def test_a_poll_ends_when_a_message_comes_or_is_given_back(app: App, news: OnlyNews) -> None:
    url = (await ask(app, "CreateQueue", QueueName="long-polls"))["QueueUrl"]
    polls = {"QueueUrl": url, "WaitTimeSeconds": 20, "VisibilityTimeout": 600}
    receipt = ""
    async with asyncio.timeout(10):
        for action in ("SendMessage", "ChangeMessageVisibility"):
            news.asleep.clear()
            polling = asyncio.create_task(ask(app, "ReceiveMessage", **polls))
            await news.asleep.wait()
            if action == "SendMessage":
                await ask(app, action, QueueUrl=url, MessageBody="hello")
            else:
                await ask(app, action, QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
            (message,) = (await polling)["Messages"]
            receipt = message["ReceiptHandle"]
            assert message["Body"] == "hello"
