"""SQS queues of batches: the rows queue and its dead-letter queue."""

from __future__ import annotations

import asyncio
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pybase64
import zstandard
from botocore.exceptions import ClientError
from google.protobuf.message import DecodeError

from ingestor.access.keyring import KeyRing, is_signed
from ingestor.formats import BATCHES
from ingestor.internal.v1 import queue_pb2
from ingestor.runtime.aws.clients import aws_errors
from ingestor.runtime.observability.stage_cpu import cpu_of
from ingestor.services.processor.batches import BatchKey, BatchRange, RepairedRows, RowBatch, StoredSlice
from ingestor.services.processor.ports import Delivery, RowQueue, UnreadableBatchError
from ingestor.v1 import common_pb2

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

# Size limit of a decompressed message: the longest record, with room for the envelope.
_MAX_OPEN_BYTES = 32 * 1024 * 1024
_WAIT_SECONDS = 20


class SqsRows(RowQueue):
    def __init__(self, client: SQSClient, queue: str, visibility_seconds: int, keys: KeyRing) -> None:
        """Messages are from the suite if one of `keys` has signed them."""
        self._client = client
        self._keys = keys
        self._queue = queue
        self._visibility = visibility_seconds
        self._url: str | None = None

    async def _queue_url(self) -> str:
        if self._url is None:
            self._url = (await self._client.get_queue_url(QueueName=self._queue))["QueueUrl"]
        return self._url

    async def receive(self, limit: int) -> list[Delivery]:
        async with aws_errors(self._queue):
            answer = await self._client.receive_message(
                QueueUrl=await self._queue_url(),
                MaxNumberOfMessages=limit,
                WaitTimeSeconds=_WAIT_SECONDS,
                VisibilityTimeout=self._visibility,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        found = answer.get("Messages", [])
        return await asyncio.to_thread(
            lambda: [_delivery(self._queue, self._keys, message) for message in found]
        )

    @cpu_of("unpack")
    def decode(self, delivery: Delivery) -> RowBatch:
        try:
            packed = pybase64.b64decode(delivery.body, validate=True)
            message = queue_pb2.RowBatch.FromString(
                zstandard.ZstdDecompressor().decompress(packed, max_output_size=_MAX_OPEN_BYTES)
            )
        except (binascii.Error, ValueError, zstandard.ZstdError, DecodeError) as error:
            raise UnreadableBatchError(f"{type(error).__name__}: {error}") from error
        BATCHES.check(message.reader_version)
        batch = row_batch(message)
        if batch.key != delivery.key:  # dead letters are settled by their attributes
            raise UnreadableBatchError("the attributes name another batch than the body")
        return batch

    async def hide(self, delivery: Delivery, seconds: int) -> None:
        try:
            async with aws_errors(self._queue):
                await self._client.change_message_visibility(
                    QueueUrl=await self._queue_url(),
                    ReceiptHandle=delivery.receipt,
                    VisibilityTimeout=seconds,
                )
        except ClientError as error:
            if not _receipt_is_old(error):
                raise

    async def delete(self, delivery: Delivery) -> None:
        try:
            async with aws_errors(self._queue):
                await self._client.delete_message(
                    QueueUrl=await self._queue_url(), ReceiptHandle=delivery.receipt
                )
        except ClientError as error:
            if not _receipt_is_old(error):
                raise

    async def check(self) -> None:
        """Raise when the queue does not answer; for health checks."""
        async with aws_errors(self._queue):
            await self._client.get_queue_attributes(
                QueueUrl=await self._queue_url(), AttributeNames=["QueueArn"]
            )


def _receipt_is_old(error: ClientError) -> bool:
    """Whether the receipt is no longer valid: the message was deleted or received again."""
    code = error.response.get("Error", {}).get("Code", "")
    return any(word in code for word in ("ReceiptHandle", "MessageNotInflight", "InvalidParameterValue"))


def row_batch(message: queue_pb2.RowBatch) -> RowBatch:
    """The batch in a message."""
    stored = message.stored if message.HasField("stored") else None
    return RowBatch(
        BatchKey(message.process_id, message.tenant, bounds_in(message.range)),
        tuple(message.columns),
        message.pipeline,
        message.pipeline_version,
        message.delimiter or ",",
        message.data,
        StoredSlice(stored.file_key, stored.byte_start, stored.byte_end) if stored else None,
        message.quote or '"',
        message.normal_form,
        _repaired(message.repairs) if message.HasField("repairs") else None,
        message.drop_empty_cells,
        message.quoted_is_text,
        message.typed_cells,
    )


def _repaired(rows: queue_pb2.RepairedRows) -> RepairedRows:
    return RepairedRows(rows.process_id, tuple(rows.columns), tuple(rows.rows), rows.first_row)


def bounds_in(bounds: common_pb2.BatchRange) -> BatchRange:
    """The boundaries in a message."""
    return BatchRange(
        bounds.batch_number, bounds.first_row, bounds.row_count, bounds.first_line, bounds.byte_start,
        bounds.byte_end,
    )  # fmt: skip


def _delivery(queue: str, keys: KeyRing, message: Any) -> Delivery:
    attributes = {
        name: value.get("StringValue") for name, value in message.get("MessageAttributes", {}).items()
    }
    told = message.get("Attributes", {})
    received = int(told.get("ApproximateReceiveCount", "1"))
    sent = datetime.fromtimestamp(int(told["SentTimestamp"]) / 1000, UTC) if "SentTimestamp" in told else None
    receipt = (message["MessageId"], message["ReceiptHandle"], received)
    if not is_signed(keys, message["Body"], attributes):
        return Delivery(*receipt, None, None, "", is_authentic=False, queue=queue, sent=sent)
    names = ("batch_number", "first_row", "row_count", "first_line", "byte_start", "byte_end")
    key = None
    try:
        bounds = BatchRange(*(int(attributes[name]) for name in names))
        key = BatchKey(attributes["process_id"], attributes["tenant"], bounds)
    except (KeyError, TypeError, ValueError):
        pass  # not a message of the suite: the key stays None
    return Delivery(*receipt, key, attributes.get("traceparent"), message["Body"], queue=queue, sent=sent)
