"""The suite's MiniStack answers the suite, and no web page or other program."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingestor.local.aws.guard import guarded
from ingestor.local.aws.ministack import MiniStack
from ingestor.local.ports import LOOPBACK
from ingestor.runtime.aws.clients import open_s3, open_sqs
from ingestor.runtime.settings import FileStoreSettings, QueueSettings

KEY = "k" * 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    """One behind its guard."""
    made = MiniStack(tmp_path_factory.mktemp("guarded"), access_key=KEY)
    made.start()
    made.wait()
    yield made
    made.stop()


def ask(
    server: MiniStack, method: str, path: str = "/", body: str = "", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection(LOOPBACK, server.port, timeout=20)) as connection:
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def signed(key: str) -> str:
    """A header as AWS's clients send it."""
    return f"AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sqs/aws4_request, Signature=x"


LIST: dict[str, Any] = {
    "content_type": "application/x-amz-json-1.0",
    "x_amz_target": "AmazonSQS.ListQueues",
    "body": "{}",
}


async def test_who_has_the_key_uses_queues_and_buckets(
    server: MiniStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    async with open_sqs(QueueSettings(aws_endpoint_url=server.endpoint)) as sqs:
        url = (await sqs.create_queue(QueueName="rows"))["QueueUrl"]
        await sqs.send_message(QueueUrl=url, MessageBody="a row")
    async with open_s3(FileStoreSettings(aws_endpoint_url=server.endpoint)) as s3:
        await s3.create_bucket(Bucket="files")
        await s3.put_object(Bucket="files", Key="a", Body=b"content")
    status, headers, body = ask(server, "POST", authorization=signed(KEY), **LIST)
    assert status == 200 and b"rows" in body
    assert not [name for name in headers if name.startswith("access-control-")]


async def test_others_are_told_why_they_are_refused(
    server: MiniStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    async with open_sqs(QueueSettings(aws_endpoint_url=server.endpoint)) as sqs:
        with pytest.raises(ClientError, match="access key is not the suite's"):
            await sqs.list_queues()
    async with open_s3(FileStoreSettings(aws_endpoint_url=server.endpoint)) as s3:
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            await s3.list_buckets()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": signed("test")},
        {"authorization": signed(KEY[:-1])},
        {"authorization": signed(KEY), "origin": "https://evil.example"},
        {"authorization": signed(KEY), "origin": "null"},
        {"authorization": signed(KEY), "host": "evil.example:4566"},
        {"authorization": signed(KEY), "host": "127.0.0.1.evil.example"},
        {"authorization": f"Bearer {KEY}"},
    ],
)
def test_a_request_of_others_is_refused(server: MiniStack, headers: dict[str, str]) -> None:
    status, answered, _ = ask(server, "POST", **LIST, **headers)
    assert status == 403
    assert "access-control-allow-origin" not in answered


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("OPTIONS", "/"),
        ("POST", "/_ministack/reset"),
        ("GET", "/_ministack/sqs/messages"),
        ("POST", "/_ministack/config"),
        ("POST", "/_ministack/health"),
        ("GET", "/_localstack/health"),
        ("GET", "/files/a"),
        ("GET", f"/files/a?X-Amz-Credential=test%2F{KEY}"),
    ],
)
def test_nothing_is_open(server: MiniStack, method: str, path: str) -> None:
    assert ask(server, method, path)[0] == 403


def test_its_health_is_no_secret_but_not_for_pages(server: MiniStack) -> None:
    assert ask(server, "GET", "/_ministack/health")[0] == 200
    assert ask(server, "GET", "/_ministack/health", origin="https://evil.example")[0] == 403


def test_the_key_is_not_among_the_arguments(server: MiniStack) -> None:
    assert server.process
    assert KEY not in Path(f"/proc/{server.process.pid}/cmdline").read_text()


async def test_a_long_poll_that_its_client_has_left_ends() -> None:
    """Else it would be handed a message, and nobody would hear of it."""
    waits, ended = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"] == b"{}"
        waits.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    came = [{"type": "http.request", "body": b"{}", "more_body": False}]

    async def receive() -> Any:
        if came:
            return came.pop()
        await waits.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError("somebody was answered")

    headers = [(b"host", b"127.0.0.1"), (b"authorization", signed(KEY).encode())]
    headers.append((b"x-amz-target", b"AmazonSQS.ReceiveMessage"))
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    async with asyncio.timeout(20):
        await guarded(app, KEY)(scope, receive, send)
    assert ended.is_set()
