"""The SQS queue of batches: base64(zstd(RowBatch)), see protos/ingestor/internal/v1/queue.proto."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import zstandard
from opentelemetry.trace import SpanKind

from ingestor.access.keyring import SIGNATURE, KeyRing, sign_message
from ingestor.runtime.aws.clients import aws_errors
from ingestor.runtime.aws.queues import MAX_MESSAGE_BYTES
from ingestor.runtime.observability.spans import span
from ingestor.runtime.observability.tracing import TRACEPARENT, current_traceparent
from ingestor.services.orchestrator.dispatch.wire import batch_message, bounds_of
from ingestor.services.orchestrator.ports import Message, Packed, RowQueue, TooLargeError

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

# Attributes count too; ours take less than 1 KiB.
MAX_BODY_BYTES = MAX_MESSAGE_BYTES - 4096
# Level 1 takes the least time in total: faster levels send more bytes.
_LEVEL = 1


class SqsRows(RowQueue):
    def __init__(self, client: SQSClient, queue: str, keys: KeyRing) -> None:
        self._client = client
        self._queue = queue
        self._keys = keys
        self._url: str | None = None

    async def _queue_url(self) -> str:
        if self._url is None:
            self._url = (await self._client.get_queue_url(QueueName=self._queue))["QueueUrl"]
        return self._url

    def pack(self, message: Message) -> Packed:
        row_batch = batch_message(message)
        body = base64.b64encode(
            zstandard.ZstdCompressor(level=_LEVEL).compress(row_batch.SerializeToString())
        )
        if len(body) > MAX_BODY_BYTES:
            raise TooLargeError
        file, batch = message.file, message.batch
        attributes = {name: str(value) for name, value in bounds_of(batch).items()}
        return Packed(
            body.decode("ascii"), {"process_id": file.process_id, "tenant": file.tenant, **attributes}
        )

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
        async with aws_errors(self._queue):
            await self._client.send_message(
                QueueUrl=await self._queue_url(),
                MessageBody=packed.body,
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
