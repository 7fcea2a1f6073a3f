"""A queue and a store that fail, and messages that are not as they were sent."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Sequence
from typing import Any

import aiohttp

from ingestor.access.keyring import KeyRing
from tests.chaos.faults.fault import Fault, Inject, Promise, seconds_until
from tests.chaos.figures import PURGED
from tests.chaos.world import World

_ROWS = "ingestor-rows"
_LEAST_SECONDS = 60  # that a queue of SQS keeps messages
_DAYS = 14  # that those of the suite do


def _aws(**chances: Any) -> Inject:
    async def inject(world: World, draw: random.Random) -> None:
        assert world.to_aws
        world.to_aws.keys = KeyRing.parse(world.setting("INGESTOR_INTERNAL_KEYS"))
        for name, value in chances.items():
            setattr(world.to_aws, name, value)
        await asyncio.sleep(draw.uniform(4, 15))  # the fault
        world.to_aws.heal()

    return inject


def _of_queue(action: str) -> Inject:
    async def inject(world: World, draw: random.Random) -> Sequence[Promise]:
        assert world.queue
        url = await _sqs(world, "GetQueueUrl", QueueName=_ROWS)
        if action == "purge":
            await _sqs(world, "PurgeQueue", QueueUrl=url["QueueUrl"])
            return [seconds_until(PURGED, world.outcomes)]
        for _ in range(20):
            body = "".join(draw.choices("{}[]\"' \u00e4xyz0123", k=draw.randint(1, 400)))
            name = draw.choice(["process_id", "tenant", "version", "x"])
            attributes = {name: {"DataType": "String", "StringValue": draw.choice(["", "1", body]) or "-"}}
            await _sqs(
                world, "SendMessage", QueueUrl=url["QueueUrl"], MessageBody=body, MessageAttributes=attributes
            )
        return []

    return inject


async def _expired(world: World, draw: random.Random) -> None:
    """Nobody takes messages for longer than the queue keeps them."""
    url = (await _sqs(world, "GetQueueUrl", QueueName=_ROWS))["QueueUrl"]
    processors = world.pids("processor")
    world.send(signal.SIGSTOP, *processors)
    try:
        await _keeps(world, url, _LEAST_SECONDS)
        await asyncio.sleep(_LEAST_SECONDS + 1)  # the fault
        await _sqs(world, "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    finally:
        await _keeps(world, url, _DAYS * 24 * 3600)
        world.send(signal.SIGCONT, *processors)


async def _keeps(world: World, url: str, seconds: int) -> None:
    attributes = {"MessageRetentionPeriod": str(seconds)}
    await _sqs(world, "SetQueueAttributes", QueueUrl=url, Attributes=attributes)


async def _sqs(world: World, operation: str, **arguments: Any) -> Any:
    """A call to the queue, past the link."""
    assert world.queue
    headers = {"x-amz-target": f"AmazonSQS.{operation}", "content-type": "application/x-amz-json-1.0"}
    headers["authorization"] = "AWS4-HMAC-SHA256 Credential=chaos/20260101/us-east-1/sqs/aws4_request"
    async with (
        aiohttp.ClientSession() as session,
        session.post(world.queue.endpoint, data=json.dumps(arguments), headers=headers) as answer,
    ):
        text = await answer.text()
        return json.loads(text) if text else {}


FAULTS = [
    Fault("SQS and S3 throttle", _aws(throttled=0.5), own=False),
    Fault("SQS and S3 fail", _aws(fails=0.5), own=False),
    Fault("SQS and S3 do not answer", _aws(loses_answer=0.3), own=False),
    Fault("SQS and S3 are slow", _aws(slow_seconds=0.5), own=False),
    Fault("half of a batch of calls", _aws(halves=0.7), own=False),
    Fault("messages are doubled", _aws(doubles=0.8), own=False),
    Fault("messages are late", _aws(late=0.8, late_seconds=range(1, 31)), own=False),
    Fault("messages are late by minutes", _aws(late=0.1, late_seconds=range(60, 151)), own=False),
    Fault("messages are reordered", _aws(late=0.5, late_seconds=range(1, 4)), own=False),
    Fault("messages are lost", _aws(loses=0.3), own=False),
    Fault("messages of the release before", _aws(previous=0.7), own=False),
    Fault("messages expire", _expired, own=False),
    Fault("purge the queue", _of_queue("purge"), own=False),
    Fault("garbage in the queue", _of_queue("garbage"), own=False),
]
