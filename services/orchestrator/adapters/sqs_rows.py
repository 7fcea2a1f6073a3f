"""The SQS queue of batches: base64(zstd(RowBatch)), see protos/ingestor/internal/v1/queue.proto."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pybase64
import zstandard
from opentelemetry.trace import SpanKind

from ingestor.access.keyring import SIGNATURE, KeyRing, sign_message
from ingestor.runtime.aws.clients import aws_errors
from ingestor.runtime.aws.queues import MAX_MESSAGE_BYTES
from ingestor.runtime.observability.spans import span
from ingestor.runtime.observability.stage_cpu import cpu_of
from ingestor.runtime.observability.tracing import TRACEPARENT, current_traceparent
from ingestor.services.orchestrator.dispatch.wire import bounds_of, serialized
from ingestor.services.orchestrator.ports import Message, Packed, RowQueue, TooLargeError

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

# Attributes count too; ours take less than 1 KiB.
MAX_BODY_BYTES = MAX_MESSAGE_BYTES - 4096
# Level 1 takes the least time in total: faster levels send more bytes.
_LEVEL = 1

_of_thread = threading.local()

# What stands for the body until the request is JSON: to write that, Python looks at each character of a text,
# which takes milliseconds, and base64 has none that JSON writes in another way.
_BODY = "@body"
_body: ContextVar[str] = ContextVar("body")


def _write_body(params: dict[str, Any], **_: Any) -> None:
    """Put the body into a request that is about to be signed."""
    before, place, after = params["body"].partition(f'"MessageBody": "{_BODY}"'.encode())
    if place:
        params["body"] = b"".join((before, b'"MessageBody": "', _body.get().encode("ascii"), b'"', after))


def _compressor() -> zstandard.ZstdCompressor:
    """The thread's own: one takes long to make, and threads cannot share it."""
    if not hasattr(_of_thread, "compressor"):
        _of_thread.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    found: zstandard.ZstdCompressor = _of_thread.compressor
    return found


class SqsRows(RowQueue):
    def __init__(self, client: SQSClient, queue: str, keys: KeyRing) -> None:
        client.meta.events.register("before-call.sqs.SendMessage", _write_body, "rows")
        self._client = client
        self._queue = queue
        self._keys = keys
        self._url: str | None = None

    async def _queue_url(self) -> str:
        if self._url is None:
            self._url = (await self._client.get_queue_url(QueueName=self._queue))["QueueUrl"]
        return self._url

    @cpu_of("pack")
    def pack(self, message: Message) -> Packed:
        body = pybase64.b64encode_as_string(_compressor().compress(serialized(message)))
        if len(body) > MAX_BODY_BYTES:
            raise TooLargeError
        file, batch = message.file, message.batch
        attributes = {name: str(value) for name, value in bounds_of(batch).items()}
        return Packed(body, {"process_id": file.process_id, "tenant": file.tenant, **attributes})

    async def send(self, packed: Packed) -> None:
        # By the conventions of OpenTelemetry for messaging.
        facts: dict[str, str | int] = {
            "messaging.system": "aws_sqs",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": self._queue,
            "messaging.message.body.size": len(packed.body),
        }
        with span(f"send {self._queue}", SpanKind.PRODUCER, facts):
            await self._send(packed)

    async def _send(self, packed: Packed) -> None:
        attributes = {**packed.attributes, TRACEPARENT: current_traceparent()}
        # The tenth attribute; SQS takes no more.
        attributes[SIGNATURE] = await asyncio.to_thread(sign_message, self._keys, packed.body, attributes)
        _body.set(packed.body)
        async with aws_errors(self._queue):
            await self._client.send_message(
                QueueUrl=await self._queue_url(),
                MessageBody=_BODY,
                # A fair queue: SQS does not let one tenant's backlog delay the messages of others.
                MessageGroupId=packed.attributes["tenant"],
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )

    async def check(self) -> None:
        """Raise when the queue does not respond; for health."""
        async with aws_errors(self._queue):
            await self._client.get_queue_attributes(
                QueueUrl=await self._queue_url(), AttributeNames=["QueueArn"]
            )
