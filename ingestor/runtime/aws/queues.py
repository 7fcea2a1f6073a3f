"""The SQS queues of the suite. Its deployment makes them (`ingestor up`, `ingestor admin queues`), not the
services."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import Field

from ingestor.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

MAX_MESSAGE_BYTES = 1_048_576  # SQS's limit for body and attributes together
_DAYS = 24 * 3600


class QueueNames(Settings):
    """Names of the queues, from INGESTOR_ROWS_QUEUE and so on."""

    rows_queue: str = Field("ingestor-rows", description="Queue of batches of rows.")
    rows_dead_letter_queue: str = Field("ingestor-rows-dead", description="Its dead-letter queue.")
    events_queue: str = Field("ingestor-events", description="Queue of events (CloudEvents).")


async def ensure_queues(
    client: SQSClient,
    *,
    rows: str,
    dead_letter: str,
    events: str,
    visibility_seconds: int = 60,
    max_receive_count: int = 5,
) -> None:
    """Make or update the rows queue, its dead-letter queue and the events queue.

    A message received `max_receive_count` times without being deleted goes to the dead-letter queue. Raises
    botocore's ClientError when AWS refuses. Idempotent.
    """
    common: Mapping[QueueAttributeNameType, str] = {
        "MaximumMessageSize": str(MAX_MESSAGE_BYTES),
        "MessageRetentionPeriod": str(14 * _DAYS),
    }
    dead_url = await _ensure(client, dead_letter, common)
    answer = await client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])
    redrive = {
        "deadLetterTargetArn": answer["Attributes"]["QueueArn"],
        "maxReceiveCount": str(max_receive_count),
    }
    await _ensure(
        client,
        rows,
        {**common, "VisibilityTimeout": str(visibility_seconds), "RedrivePolicy": json.dumps(redrive)},
    )
    await _ensure(client, events, common)


async def _ensure(client: SQSClient, name: str, attributes: Mapping[QueueAttributeNameType, str]) -> str:
    """Make or update a queue with these attributes; return its URL."""
    try:
        url = (await client.get_queue_url(QueueName=name))["QueueUrl"]
    except client.exceptions.QueueDoesNotExist:
        return (await client.create_queue(QueueName=name, Attributes=attributes))["QueueUrl"]
    await client.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url
