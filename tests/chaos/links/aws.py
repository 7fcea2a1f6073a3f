"""The way to SQS and S3, on which calls fail, and messages are lost, doubled and late."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web

from ingestor.access.keyring import KeyRing
from tests.chaos.links.previous import as_before

_SQS = "AmazonSQS."
_ROWS = "ingestor-rows"
_MOST_BYTES = 64 * 2**20


class AwsLink:
    """Passes HTTP requests on to an endpoint. What it does to them are chances from 0 to 1 of each call or
    message, which may be changed at any time."""

    def __init__(self, endpoint: str, draw: random.Random) -> None:
        self._endpoint = endpoint
        self._draw = draw
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.keys: KeyRing | None = None
        """By which messages are signed."""
        self.heal()

    def heal(self) -> None:
        """Do nothing to calls any more."""
        self.throttled = self.fails = self.loses_answer = self.halves = 0.0  # calls
        self.doubles = self.late = self.loses = self.previous = 0.0  # messages
        self.late_seconds = range(1, 2)
        self.slow_seconds = 0.0

    async def start(self) -> int:
        """Listen; the port."""
        self._session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(site._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]

    async def stop(self) -> None:
        """Close everything."""
        if self._runner:
            await self._runner.cleanup()
        if self._session:
            await self._session.close()

    def _is(self, chance: float) -> bool:
        return chance > 0 and self._draw.random() < chance

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        target = request.headers.get("x-amz-target", "")
        operation = target.removeprefix(_SQS) if target.startswith(_SQS) else ""
        if self.slow_seconds:
            await asyncio.sleep(self.slow_seconds)
        if self._is(self.throttled):
            return _refusal(operation, 400 if operation else 503, "RequestThrottled", "SlowDown")
        if self._is(self.fails):
            return _refusal(operation, 500, "InternalFailure", "InternalError")
        left: list[Any] = []
        if operation in ("SendMessageBatch", "DeleteMessageBatch") and self._is(self.halves):
            asked = json.loads(body)
            half = len(asked["Entries"]) // 2
            asked["Entries"], left = asked["Entries"][:half], asked["Entries"][half:]
            body = json.dumps(asked).encode()
            if not half:
                return web.json_response(_failed({}, left))
        if operation.startswith("SendMessage") and self._is(self.late):
            body = _delayed(body, self._draw.choice(self.late_seconds))
        if operation == "SendMessage" and self._is(self.previous):
            assert self.keys
            body = await asyncio.to_thread(as_before, body, self.keys)
        try:
            status, headers, answer = await self._pass(request, body)
        except (aiohttp.ClientError, OSError):  # it is away
            if request.transport:
                request.transport.abort()
            return web.Response(status=502)
        with suppress(aiohttp.ClientError, OSError):
            if operation.startswith("SendMessage") and self._is(self.doubles):
                await self._pass(request, body)
            if operation == "ReceiveMessage" and status == 200:
                answer = await self._lost(request, body, answer)
        if left and status == 200:
            answer = json.dumps(_failed(json.loads(answer), left)).encode()
        if self._is(self.loses_answer) and request.transport:
            request.transport.abort()
        return web.Response(status=status, headers=headers, body=answer)

    async def _pass(
        self, request: web.Request, body: bytes, target: str = ""
    ) -> tuple[int, Mapping[str, str], bytes]:
        assert self._session
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in ("content-length", "transfer-encoding", "expect")
        }
        if target:
            headers["X-Amz-Target"] = target
        url = f"{self._endpoint}{request.raw_path}"
        async with self._session.request(request.method, url, data=body, headers=headers) as found:
            kept = {
                name: value
                for name, value in found.headers.items()
                if name.lower() not in ("content-length", "transfer-encoding", "connection")
            }
            if request.method == "HEAD":
                kept["Content-Length"] = found.headers.get("Content-Length", "0")
            return found.status, kept, await found.read()

    async def _lost(self, request: web.Request, body: bytes, answer: bytes) -> bytes:
        """The answer without the messages that are lost, which the queue forgets too."""
        if not self.loses:
            return answer
        url = json.loads(body)["QueueUrl"]
        found = json.loads(answer)
        if not url.endswith(_ROWS):
            return answer
        kept = []
        for message in found.get("Messages", []):
            if self._is(self.loses):
                gone = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
                await self._pass(request, json.dumps(gone).encode(), f"{_SQS}DeleteMessage")
            else:
                kept.append(message)
        return json.dumps({**found, "Messages": kept}).encode()


def _refusal(operation: str, status: int, of_sqs: str, of_s3: str) -> web.Response:
    if operation:
        return web.json_response({"__type": f"com.amazonaws.sqs#{of_sqs}", "message": "chaos"}, status=status)
    text = f"<Error><Code>{of_s3}</Code><Message>chaos</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")


def _failed(answer: Mapping[str, Any], entries: list[Any]) -> dict[str, Any]:
    """An answer that says that these entries have failed."""
    more = [
        {"Id": entry["Id"], "SenderFault": False, "Code": "InternalError", "Message": "chaos"}
        for entry in entries
    ]
    return {**answer, "Failed": [*answer.get("Failed", []), *more]}


def _delayed(body: bytes, seconds: int) -> bytes:
    """A request to send whose messages come later."""
    asked = json.loads(body)
    for entry in asked.get("Entries", [asked]):
        entry["DelaySeconds"] = seconds
    return json.dumps(asked).encode()
