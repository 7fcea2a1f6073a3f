"""Looks at the queues: whether they are there and have the attributes that the suite needs."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ingestor.provisioning.checks.report import Report, look_at_clock
from ingestor.runtime.aws.clients import AwsRegionError, aws_errors, open_sqs
from ingestor.runtime.aws.queues import MAX_MESSAGE_BYTES, QueueNames
from ingestor.runtime.errors import TransientError

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

    from ingestor.runtime.settings import AwsSettings

_AHEAD = "clock"
_MAKE = "run `ingestor admin queues`"
_MOST_VISIBILITY = 3600


async def check_queues(report: Report, settings: AwsSettings, names: QueueNames) -> None:
    """Look at the three queues, and at the clock of SQS. Adds to the report; raises nothing."""
    where = settings.aws_endpoint_url or "AWS"
    found: dict[str, dict[str, Any]] = {}
    try:
        async with open_sqs(settings) as client, aws_errors(f"SQS at {where}"):
            for queue in (names.rows_queue, names.rows_dead_letter_queue, names.events_queue):
                found[queue] = await _attributes(client, queue)
    except (AwsRegionError, TransientError) as error:
        report.bad("queues", str(error), "mend INGESTOR_AWS_… and the credentials, or the network")
        return
    except (ClientError, BotoCoreError) as error:
        report.bad("queues", f"SQS at {where}: {error}", "mend the rights of this identity")
        return
    if ahead := [attributes.pop(_AHEAD) for attributes in found.values() if _AHEAD in attributes]:
        look_at_clock(report, "clock of SQS", ahead[-1])
    _rows(report, names, found)
    for name, queue in (("dead letters", names.rows_dead_letter_queue), ("events", names.events_queue)):
        _other(report, f"queue of {name}", queue, found[queue], are_dead=name == "dead letters")


async def _attributes(client: SQSClient, queue: str) -> dict[str, Any]:
    """Of a queue, and how many seconds the clock of SQS is ahead; empty when there is no queue."""
    try:
        url = (await client.get_queue_url(QueueName=queue))["QueueUrl"]
    except client.exceptions.QueueDoesNotExist:
        return {}
    before = time.time()
    answer = await client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    found: dict[str, Any] = {str(name): value for name, value in answer["Attributes"].items()}
    if date := answer["ResponseMetadata"]["HTTPHeaders"].get("date"):
        # The header has whole seconds: that clock is half a second further on average.
        found[_AHEAD] = parsedate_to_datetime(date).timestamp() + 0.5 - (before + time.time()) / 2
    return found


def _rows(report: Report, names: QueueNames, found: dict[str, dict[str, Any]]) -> None:
    queue, dead = names.rows_queue, names.rows_dead_letter_queue
    attributes = found[queue]
    if not attributes:
        report.bad("queue of rows", f"there is no queue {queue}", _MAKE)
        return
    problems = _size(attributes)
    policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    target = str(policy.get("deadLetterTargetArn", "")).rpartition(":")[2]
    tries = int(policy.get("maxReceiveCount", 0))
    if target != dead:
        where = f"its dead letters go to {target}, not to {dead}"
        problems.append(where if target else "it has no dead-letter queue")
    elif tries < 2:
        problems.append(f"a message is given up after {tries} try")
    visibility = int(attributes.get("VisibilityTimeout", 0))
    if not 0 < visibility <= _MOST_VISIBILITY:
        problems.append(f"its visibility timeout is {visibility} s")
    dead_retention = int(found[dead].get("MessageRetentionPeriod", 0)) if found[dead] else None
    if dead_retention is not None and dead_retention < int(attributes.get("MessageRetentionPeriod", 0)):
        problems.append(
            "its messages live longer than those of the dead-letter queue, where their age counts from the "
            "first sending"
        )
    if problems:
        report.bad("queue of rows", f"{queue}: {'; '.join(problems)}", _MAKE)
    else:
        report.good("queue of rows", f"{queue}, {_depth(attributes)}, given up after {tries} tries")


def _other(report: Report, name: str, queue: str, attributes: dict[str, Any], *, are_dead: bool) -> None:
    if not attributes:
        report.bad(name, f"there is no queue {queue}", _MAKE)
    elif problems := _size(attributes):
        report.bad(name, f"{queue}: {'; '.join(problems)}", _MAKE)
    elif are_dead and (waiting := _waiting(attributes)):
        report.bad(
            name,
            f"{queue}: {waiting} wait",
            "see why batches fail in the processor's log, then run `ingestor admin redrive`",
        )
    else:
        report.good(name, f"{queue}, {_depth(attributes)}")


def _size(attributes: dict[str, Any]) -> list[str]:
    size = int(attributes.get("MaximumMessageSize", 0))
    if size >= MAX_MESSAGE_BYTES:
        return []
    return [f"it takes messages of {size} bytes, not of {MAX_MESSAGE_BYTES}"]


def _waiting(attributes: dict[str, Any]) -> int:
    return int(attributes.get("ApproximateNumberOfMessages", 0))


def _depth(attributes: dict[str, Any]) -> str:
    in_work = int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0))
    return f"{_waiting(attributes)} wait, {in_work} in work"
