"""How full the SQS queues are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.runtime.aws.clients import aws_errors
from ingestor.runtime.observability.samples import GaugeOf, Sample, Values
from ingestor.services.orchestrator.ports import Depth, Queues

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient


_MESSAGES = GaugeOf(
    "ingestor_queue_messages",
    "Messages of a queue, approximately: visible ones wait, others are in flight.",
    ("queue", "state"),
)


class SqsDepths(Queues):
    def __init__(self, client: SQSClient, rows: str, dead_letters: str) -> None:
        self._client = client
        self._rows = rows
        self._dead_letters = dead_letters
        self._urls: dict[str, str] = {}

    async def rows(self) -> Depth:
        return await self._depth(self._rows)

    async def dead_letters(self) -> Depth:
        return await self._depth(self._dead_letters)

    async def _depth(self, queue: str) -> Depth:
        async with aws_errors(queue):
            if queue not in self._urls:
                self._urls[queue] = (await self._client.get_queue_url(QueueName=queue))["QueueUrl"]
            answer = await self._client.get_queue_attributes(
                QueueUrl=self._urls[queue],
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesDelayed",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )
        found = {name: int(value) for name, value in answer["Attributes"].items()}
        return Depth(
            found.get("ApproximateNumberOfMessages", 0) + found.get("ApproximateNumberOfMessagesDelayed", 0),
            found.get("ApproximateNumberOfMessagesNotVisible", 0),
        )


class QueuesSample(Sample):
    """How full the queues are."""

    name = "queues"
    gauges: Sequence[GaugeOf] = (_MESSAGES,)
    every = 1

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def __call__(self) -> Values:
        """Raises TransientError."""
        depths = {"rows": await self._queues.rows(), "dead_letters": await self._queues.dead_letters()}
        found: dict[tuple[str, ...], float] = {}
        for name, depth in depths.items():
            found[name, "visible"] = depth.visible
            found[name, "in_flight"] = depth.in_flight
        return {_MESSAGES: found}
