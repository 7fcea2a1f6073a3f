"""Links that are slow, narrow or cut, and a queue and a store that fail."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.chaos.faults.fault import Fault, Inject
from tests.chaos.links.tcp import TcpLink
from tests.chaos.world import World

Make = Callable[[str], Inject]


def _link(world: World, name: str) -> TcpLink:
    found = getattr(world, name)
    assert isinstance(found, TcpLink)
    return found


def _strained(strain: Callable[[TcpLink, random.Random], None], least: float, most: float) -> Make:
    """What strains a link for so many seconds."""

    def of(name: str) -> Inject:
        async def inject(world: World, draw: random.Random) -> None:
            link = _link(world, name)
            strain(link, draw)
            await asyncio.sleep(draw.uniform(least, most))  # the fault
            link.heal()

        return inject

    return of


def _slow(link: TcpLink, draw: random.Random) -> None:
    link.delay = draw.uniform(0.02, 0.3)


def _narrow(link: TcpLink, draw: random.Random) -> None:
    link.bytes_per_second = draw.choice([100_000, 1_000_000])


def _refuse(link: TcpLink, draw: random.Random) -> None:
    link.refuses = True
    link.cut()


def _cut(name: str) -> Inject:
    async def inject(world: World, draw: random.Random) -> None:
        link = _link(world, name)
        for _ in range(draw.randint(1, 5)):
            link.cut(reset=draw.random() < 0.5)
            await asyncio.sleep(draw.uniform(0, 1.5))  # the fault

    return inject


def _aws(**chances: Any) -> Inject:
    async def inject(world: World, draw: random.Random) -> None:
        assert world.to_aws
        for name, value in chances.items():
            setattr(world.to_aws, name, value)
        await asyncio.sleep(draw.uniform(4, 15))  # the fault
        world.to_aws.heal()

    return inject


def _of_queue(action: str) -> Inject:
    async def inject(world: World, draw: random.Random) -> None:
        assert world.queue
        url = await _sqs(world, "GetQueueUrl", QueueName="ingestor-rows")
        if action == "purge":
            await _sqs(world, "PurgeQueue", QueueUrl=url["QueueUrl"])
            return
        for _ in range(20):
            body = "".join(draw.choices("{}[]\"' \u00e4xyz0123", k=draw.randint(1, 400)))
            name = draw.choice(["process_id", "tenant", "version", "x"])
            attributes = {name: {"DataType": "String", "StringValue": draw.choice(["", "1", body]) or "-"}}
            await _sqs(
                world, "SendMessage", QueueUrl=url["QueueUrl"], MessageBody=body, MessageAttributes=attributes
            )

    return inject


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
    *(
        Fault(f"{how} {what}", make(name), own=own)
        for name, what, own in (
            ("to_database", "the way to the database", False),
            ("to_gateway", "the way to the gateway", None),
        )
        for how, make in (
            ("slow", _strained(_slow, 3, 15)),
            ("narrow", _strained(_narrow, 3, 10)),
            ("cut", _cut),
            ("refuse", _strained(_refuse, 1, 8)),
        )
    ),
    Fault("SQS and S3 throttle", _aws(throttled=0.5), own=False),
    Fault("SQS and S3 fail", _aws(fails=0.5), own=False),
    Fault("SQS and S3 do not answer", _aws(loses_answer=0.3), own=False),
    Fault("SQS and S3 are slow", _aws(slow_seconds=0.5), own=False),
    Fault("half of a batch of calls", _aws(halves=0.7), own=False),
    Fault("messages are doubled", _aws(doubles=0.8), own=False),
    Fault("messages are late", _aws(late=0.8, late_seconds=30), own=False),
    Fault("messages are lost", _aws(loses=0.3), own=False),
    Fault("purge the queue", _of_queue("purge"), own=False),
    Fault("garbage in the queue", _of_queue("garbage"), own=False),
]
