"""Keeps everybody but the suite off MiniStack, which itself answers any program and any web page.

python -m ingestor.local.aws.guard runs MiniStack behind it, if INGESTOR_MINISTACK_KEY says whom to answer.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from ingestor.local.aws.long_polls import App, Message, News, Send, with_news

KEY = "INGESTOR_MINISTACK_KEY"
_HEALTH = "/_ministack/health"
_OWN_NAMES = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")
_CREDENTIAL = re.compile(rb"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/")


def guarded(app: App, key: str) -> App:
    """MiniStack for who knows the access key `key`, which is random, and calls it by a name of this machine.
    No web page may call it, whatever it knows. Whether it is healthy, everybody may ask."""

    async def guard(
        scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Message]], send: Send
    ) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = dict(scope["headers"])
        if problem := _problem(scope, headers, key.encode()):
            await _refuse(send, headers, problem)
            return

        if headers.get(b"x-amz-target") == b"AmazonSQS.ReceiveMessage":
            await _while_connected(app, scope, receive, send)
            return

        async def without_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, value)
                    for name, value in message.get("headers", ())
                    if not name.lower().startswith(b"access-control-")
                ]
            await send(message)

        await app(scope, receive, without_cors)

    return guard


async def _while_connected(
    app: App, scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Message]], send: Send
) -> None:
    """Answer a request, but end it when its client has gone: MiniStack would hand messages to a long poll to
    which nobody listens."""
    body = []
    while True:
        message = await receive()
        body.append(message)
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            break
    body.reverse()

    async def again() -> Message:
        return body.pop() if body else {"type": "http.disconnect"}

    answering = asyncio.ensure_future(app(scope, again, send))
    leaving = asyncio.ensure_future(receive())  # the next message is that the client has gone
    try:
        await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


def _problem(scope: MutableMapping[str, Any], headers: dict[bytes, bytes], key: bytes) -> str:
    """Why a request is refused; empty when it is not."""
    if b"origin" in headers or scope["method"] == "OPTIONS":
        return "web pages may not call this server"
    if not _OWN_NAMES.fullmatch(headers.get(b"host", b"")):
        return "this server answers under the names of its machine only"
    if scope["method"] == "GET" and scope["path"] == _HEALTH:
        return ""
    found = _CREDENTIAL.match(headers.get(b"authorization", b""))
    shown = found[1] if found else _of_presigned(scope["query_string"])
    if not hmac.compare_digest(shown, key):
        return "the access key is not the suite's; see ingestor env --secrets"
    return ""


def _of_presigned(query: bytes) -> bytes:
    credential, *_ = parse_qs(query).get(b"X-Amz-Credential", [b""])
    return credential.partition(b"/")[0]


async def _refuse(send: Send, headers: dict[bytes, bytes], problem: str) -> None:
    """Answer as AWS would, so that its clients say why."""
    if b"x-amz-target" in headers:
        content_type = b"application/x-amz-json-1.0"
        body = json.dumps({"__type": "InvalidClientTokenId", "message": problem}).encode()
    else:
        content_type = b"application/xml"
        body = f"<Error><Code>InvalidAccessKeyId</Code><Message>{problem}</Message></Error>".encode()
    answer = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": answer})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Run MiniStack until it is told to stop."""
    import ministack.app  # type: ignore[import-untyped]
    from hypercorn.config import Config
    from ministack.services import sqs  # type: ignore[import-untyped]

    from ingestor.local.aws.large_bodies import spare

    # Whoever stops it has stopped its clients before, and Hypercorn need not wait 3 s for their last polls.
    Config.graceful_timeout = 0.1
    spare(sqs)
    ministack.app.app = with_news(ministack.app.app, News())
    if key := os.environ.pop(KEY, ""):
        ministack.app.app = guarded(ministack.app.app, key)
    ministack.app.main()


if __name__ == "__main__":
    main()
