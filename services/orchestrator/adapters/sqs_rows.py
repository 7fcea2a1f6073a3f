"""The SQS queue of batches: base64(zstd(RowBatch)), see protos/ingestor/internal/v1/queue.proto."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import zstandard
from opentelemetry.trace import SpanKind

from ingestor.access.keyring import SIGNATURE, KeyRing, sign_message
from ingestor.formats import BATCHES
from ingestor.internal.v1 import queue_pb2
from ingestor.runtime.aws.clients import aws_errors
from ingestor.runtime.aws.queues import MAX_MESSAGE_BYTES
from ingestor.runtime.observability.spans import span
from ingestor.runtime.observability.tracing import TRACEPARENT, current_traceparent
from ingestor.services.orchestrator.ports import Message, Packed, RowQueue, TooLargeError
from ingestor.tabular.options import parse_options
from ingestor.v1 import common_pb2

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
        file, batch = message.file, message.batch
        bounds = {
            "batch_number": batch.number,
            "first_row": batch.first_row,
            "row_count": batch.row_count,
            "first_line": batch.first_line,
            "byte_start": batch.byte_start,
            "byte_end": batch.byte_end,
        }
        # Only delimited text, whose dialect is one of ours, has these options.
        options = parse_options(message.content.dialect)
        row_batch = queue_pb2.RowBatch(
            process_id=file.process_id,
            tenant=file.tenant,
            range=common_pb2.BatchRange(**bounds),
            columns=message.layout.columns,
            pipeline=file.pipeline,
            pipeline_version=file.pipeline_version,
            delimiter=message.layout.delimiter,
            quote=message.layout.quote,
            normal_form=message.content.normal_form,
            drop_empty_cells=options.extra_empty_cells == "drop",
            quoted_is_text=options.empty_quoted == "text",
            typed_cells=bool(file.pipeline) and message.typed_cells,
        )
        if file.repairs:
            retried = batch.retried
            row_batch.repairs.CopyFrom(
                queue_pb2.RepairedRows(
                    process_id=file.repairs,
                    columns=message.repaired,
                    rows=retried.rows if retried else (),
                    first_row=retried.first_row if retried else 0,
                )
            )
        if message.data is None:
            row_batch.stored.CopyFrom(
                queue_pb2.FileSlice(
                    file_key=message.content.file_key, byte_start=batch.byte_start, byte_end=batch.byte_end
                )
            )
        else:
            row_batch.data = message.data
        row_batch.reader_version = BATCHES.needed(row_batch)
        body = base64.b64encode(
            zstandard.ZstdCompressor(level=_LEVEL).compress(row_batch.SerializeToString())
        )
        if len(body) > MAX_BODY_BYTES:
            raise TooLargeError
        attributes = {name: str(value) for name, value in bounds.items()}
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
