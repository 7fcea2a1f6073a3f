"""The SQS queue of events: CloudEvents 1.0 in structured mode, one per message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.runtime.aws.clients import aws_errors
from ingestor.runtime.errors import TransientError
from ingestor.services.status.ports import LoggedEvent

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

_BATCH = 10  # SQS accepts at most ten messages per call


def cloud_event(event: LoggedEvent) -> dict[str, object]:
    """The event as CloudEvents 1.0 JSON (https://github.com/cloudevents/spec), with the extensions
    `traceparent` and `tenant`."""
    return {
        "specversion": "1.0",
        "id": event.event_id,
        "source": "/ingestor/status",
        "type": event.type,
        "subject": event.process_id,
        "time": event.time.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "traceparent": event.traceparent,
        "tenant": event.tenant,
        "sequence": str(event.sequence),
        "data": json.loads(event.data_json),
    }


class SqsEvents:
    """Sends events; an instance is a `Send` (see ports)."""

    def __init__(self, client: SQSClient, queue: str) -> None:
        self._client = client
        self._queue = queue
        self._url: str | None = None

    async def _queue_url(self) -> str:
        if self._url is None:
            self._url = (await self._client.get_queue_url(QueueName=self._queue))["QueueUrl"]
        return self._url

    async def __call__(self, events: Sequence[LoggedEvent]) -> None:
        async with aws_errors("events queue"):
            url = await self._queue_url()
            for start in range(0, len(events), _BATCH):
                answer = await self._client.send_message_batch(
                    QueueUrl=url,
                    Entries=[
                        {"Id": str(number), "MessageBody": json.dumps(cloud_event(event))}
                        for number, event in enumerate(events[start : start + _BATCH])
                    ],
                )
                if failed := answer.get("Failed"):
                    raise TransientError(
                        f"events queue refused {len(failed)} events: {failed[0].get('Code')}"
                    )

    async def check(self) -> None:
        """Raise when the queue does not respond; for health."""
        async with aws_errors("events queue"):
            await self._client.get_queue_attributes(
                QueueUrl=await self._queue_url(), AttributeNames=["QueueArn"]
            )
