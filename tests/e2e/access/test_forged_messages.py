"""Somebody who can write to the queue loads nothing: messages that the suite has not signed are dropped."""

from __future__ import annotations

import asyncio
import base64
import urllib.request
import uuid
from typing import Any

import pytest
import zstandard

from ingestor.access.keyring import KeyRing
from ingestor.internal.v1 import queue_pb2
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.queues import QueueNames
from ingestor.v1 import common_pb2
from tests.e2e.access.calls import Names
from tests.e2e.access.conftest import STRANGER, VICTIM, AccessSuite, everything_of
from tests.e2e.conftest import wait_until


def _message(tenant: str, pipeline: str, stored: str = "") -> tuple[str, dict[str, str]]:
    """The body and attributes of a batch of one row that somebody has made up."""
    process = str(uuid.uuid4())
    batch = common_pb2.BatchRange(
        batch_number=1, first_row=1, row_count=1, first_line=2, byte_start=3, byte_end=9
    )
    content = queue_pb2.RowBatch(
        process_id=process, tenant=tenant, range=batch, columns=["id"], pipeline=pipeline, pipeline_version=1
    )
    if stored:
        content.stored.CopyFrom(queue_pb2.FileSlice(file_key=stored, byte_start=3, byte_end=9))
    else:
        content.data = b"666\n"
    body = base64.b64encode(zstandard.ZstdCompressor().compress(content.SerializeToString())).decode()
    attributes = {
        "process_id": process, "tenant": tenant, "batch_number": "1", "first_row": "1", "row_count": "1",
        "first_line": "2", "byte_start": "3", "byte_end": "9",
    }  # fmt: skip
    return body, attributes


async def _send(access: AccessSuite, *messages: tuple[str, dict[str, str]]) -> None:
    settings = access.suite.use_queue()
    async with open_sqs(settings) as client:
        url = (await client.get_queue_url(QueueName=QueueNames().rows_queue))["QueueUrl"]
        for body, attributes in messages:
            typed: Any = {
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            }
            await client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=typed)


def _refused(access: AccessSuite) -> float:
    """Messages that the processor has dropped as forged."""
    url = access.suite.facts["services"]["processor"]["metrics"]
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith("ingestor_messages_refused_total")
    )


def test_messages_of_others_are_dropped(
    access: AccessSuite, victim: Names, stranger: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asyncio.run(everything_of(access.suite.dsn, VICTIM))
    refused = _refused(access)
    unsigned = _message(VICTIM, victim.pipeline)
    body, attributes = _message(VICTIM, victim.pipeline)
    strange = KeyRing({"local": b"y" * 32}).sign("queue", body.encode())
    by_nobody = body, {**attributes, "signature": strange}
    foreign_file = _message(STRANGER, stranger.pipeline, f"{VICTIM}/{victim.upload}")
    asyncio.run(_send(access, unsigned, by_nobody, foreign_file))
    wait_until(lambda: _refused(access) == refused + 3, "the count of dropped messages")
    assert asyncio.run(everything_of(access.suite.dsn, VICTIM)) == before
    for tenant in (VICTIM, STRANGER):
        for made in (unsigned[1], attributes, foreign_file[1]):
            rows = asyncio.run(
                access.suite.fetch(
                    "SELECT count(*) FROM status.processes WHERE process_id = $1 AND tenant = $2",
                    made["process_id"], tenant,
                )
            )  # fmt: skip
            assert rows == [(0,)]
