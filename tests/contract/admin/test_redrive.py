"""`ingestor admin redrive`: which dead letters go back, unchanged, and what is said of the others."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from ingestor.v1 import common_pb2
from tests.contract.admin.conftest import Place

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

PROCESSING, FAILED = common_pb2.PROCESS_STATE_PROCESSING, common_pb2.PROCESS_STATE_FAILED


@pytest.fixture
def ready(place: Place) -> Place:
    place.run("queues")
    return place


def process(place: Place, state: int, *, is_done: bool = False, given_up: int = 0) -> str:
    """A process with one batch, which is done or not."""
    made = str(uuid.uuid4())
    done = "now()" if is_done else "NULL"
    place.execute(
        "SET ingestor.tenant = '*';"
        f"INSERT INTO status.processes (process_id, tenant, state) VALUES ('{made}', 'default', {state});"
        "INSERT INTO status.batches (process_id, batch_number, tenant, first_row, row_count, first_line, "
        f"byte_start, byte_end, processed_at) VALUES ('{made}', 1, 'default', 1, 10, 2, 0, 9, {done})"
    )
    if given_up:
        place.execute(
            "SET ingestor.tenant = '*';"
            "INSERT INTO status.error_counts (process_id, batch_number, code, field, tenant, count, example, "
            f"first_row) VALUES ('{made}', 1, 'batch-error', '', 'default', {given_up}, '', 1)"
        )
    return made


def die(place: Place, *processes: str, attributes: dict[str, Any] | None = None) -> None:
    """Put a message per process into the dead-letter queue."""

    async def send(client: SQSClient) -> None:
        url = (await client.get_queue_url(QueueName=place.dead))["QueueUrl"]
        for process_id in processes:
            values = {"process_id": process_id, "batch_number": "1", "signature": f"of {process_id}"}
            await client.send_message(
                QueueUrl=url,
                MessageBody=f"batch of {process_id}",
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in (attributes or values).items()
                },
            )

    place.on_queues(send)


def messages(place: Place, queue: str) -> dict[str, dict[str, str]]:
    """The attributes of all messages that can be received, by body; puts them back."""

    async def receive(client: SQSClient) -> dict[str, dict[str, str]]:
        url = (await client.get_queue_url(QueueName=queue))["QueueUrl"]
        found: dict[str, dict[str, str]] = {}
        while True:
            answer = await client.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=5, MessageAttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return found
            for message in answer["Messages"]:
                attributes = message.get("MessageAttributes", {})
                found[message["Body"]] = {name: value["StringValue"] for name, value in attributes.items()}

    return place.on_queues(receive)


def test_only_batches_that_still_wait_go_back(ready: Place) -> None:
    running, done, ended = (
        process(ready, PROCESSING),
        process(ready, PROCESSING, is_done=True),
        process(ready, FAILED),
    )
    unknown = str(uuid.uuid4())
    die(ready, running, done, ended, unknown)
    die(ready, "nothing", attributes={"other": "x"})
    found = json.loads(ready.run("redrive", "--json").stdout)
    assert found["moved"] == 1 and found["given_up"] == []
    assert Counter(found["left"]) == Counter(
        {
            "its batch has an outcome": 1,
            "its process has ended": 1,
            "its process is not known": 1,
            "names no batch": 1,
        }
    )
    assert messages(ready, ready.rows) == {
        f"batch of {running}": {
            "process_id": running, "batch_number": "1", "signature": f"of {running}",
        }
    }  # fmt: skip
    assert len(messages(ready, ready.dead)) == 4, "they can be received at once"


def test_of_one_process_only(ready: Place) -> None:
    one, other = process(ready, PROCESSING), process(ready, PROCESSING)
    die(ready, one, other)
    done = ready.run("redrive", "--process", one)
    assert "1 batch sent to the rows queue again" in done.stderr
    assert "1 left: of another process" in done.stderr
    assert list(messages(ready, ready.rows)) == [f"batch of {one}"]


def test_many(ready: Place) -> None:
    one = process(ready, PROCESSING)
    die(ready, *[one] * 25)
    assert json.loads(ready.run("redrive", "--json", "--most", "5").stdout)["moved"] == 5
    ready.run("redrive")
    assert ready.check(status=0)["queue of rows"]["detail"].startswith(f"{ready.rows}, 25 wait")


def test_what_was_given_up_before_is_listed(ready: Place) -> None:
    ended = process(ready, FAILED, is_done=True, given_up=10)
    process(ready, PROCESSING, is_done=True, given_up=10)
    process(ready, FAILED, is_done=True)
    done = ready.run("redrive")
    assert "ingestor retry PROCESS" in done.stderr
    assert ended in done.stdout and done.stdout.count("default") == 1
    (found,) = json.loads(ready.run("redrive", "--json").stdout)["given_up"]
    assert found == {"tenant": "default", "process_id": ended, "rows": 10}
