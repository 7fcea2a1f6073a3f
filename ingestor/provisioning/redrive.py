"""Brings dead letters back into the rows queue, and finds what was given up before."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ingestor.provisioning.names import OWNER
from ingestor.runtime.aws.clients import aws_errors
from ingestor.runtime.aws.queues import QueueNames
from ingestor.states import TERMINAL

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

    from ingestor.runtime.postgres.pool import PgConnection

_AT_ONCE = 10  # messages; the limit of SQS
_HIDDEN_SECONDS = 120

_HAS_OWNER = "SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = $1"
_STATE = """
SELECT p.state = ANY ($3::smallint[]) OR p.deleted_at IS NOT NULL AS has_ended,
       b.processed_at IS NOT NULL AS is_done
FROM status.processes p LEFT JOIN status.batches b ON b.process_id = p.process_id AND b.batch_number = $2
WHERE p.process_id = $1
"""
_GIVEN_UP = """
SELECT e.tenant, e.process_id::text, sum(e.count)::bigint AS rows FROM status.error_counts e
JOIN status.processes p USING (process_id)
WHERE e.code = 'batch-error' AND e.count > 0 AND p.state = ANY ($1::smallint[]) AND p.deleted_at IS NULL
AND p.expired_at IS NULL AND ($2::uuid IS NULL OR p.process_id = $2)
GROUP BY 1, 2, p.position ORDER BY p.position DESC LIMIT $3
"""


@dataclass(frozen=True)
class GivenUp:
    """A process that has ended with rows of batches that were given up; a retry reads them again."""

    tenant: str
    process_id: str
    rows: int


@dataclass
class Redriven:
    """What a redrive has done."""

    moved: int = 0
    left: Counter[str] = field(default_factory=Counter)  # by reason
    given_up: list[GivenUp] = field(default_factory=list)


async def redrive(
    connection: PgConnection,
    client: SQSClient,
    names: QueueNames,
    *,
    process_id: uuid.UUID | None = None,
    most: int = 10_000,
    most_processes: int = 100,
) -> Redriven:
    """Send dead letters to the rows queue again, of one process or of all: those whose process has not ended
    and whose batch has no outcome. At most `most` are looked at. A crash may send one twice, which does no
    harm. `connection` is an administrator's.

    Raises TransientError, ClientError, asyncpg errors.
    """
    done = Redriven()
    async with aws_errors("SQS"):
        dead = (await client.get_queue_url(QueueName=names.rows_dead_letter_queue))["QueueUrl"]
        rows = (await client.get_queue_url(QueueName=names.rows_queue))["QueueUrl"]
        left: list[str] = []
        seen: set[str] = set()
        try:
            while len(seen) < most:
                found = await _receive(client, dead, min(_AT_ONCE, most - len(seen)))
                new = [message for message in found if message["MessageId"] not in seen]
                left += [message["ReceiptHandle"] for message in found if message not in new]
                if not new:
                    break
                for message in new:
                    seen.add(message["MessageId"])
                    reason = await _reason_to_leave(connection, message, process_id)
                    if reason:
                        done.left[reason] += 1
                        left.append(message["ReceiptHandle"])
                        continue
                    await client.send_message(
                        QueueUrl=rows,
                        MessageBody=message["Body"],
                        MessageAttributes=_as_received(message),
                    )
                    await client.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
                    done.moved += 1
        finally:
            for receipt in left:
                with suppress(ClientError):  # it has come back by itself
                    await client.change_message_visibility(
                        QueueUrl=dead, ReceiptHandle=receipt, VisibilityTimeout=0
                    )
    async with connection.transaction(readonly=True):
        await _see_all(connection)
        done.given_up = [
            GivenUp(row["tenant"], row["process_id"], row["rows"])
            for row in await connection.fetch(_GIVEN_UP, sorted(TERMINAL), process_id, most_processes)
        ]
    return done


async def _receive(client: SQSClient, queue: str, count: int) -> list[MessageTypeDef]:
    answer = await client.receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=count,
        WaitTimeSeconds=1,  # asks all servers of SQS
        VisibilityTimeout=_HIDDEN_SECONDS,
        MessageAttributeNames=["All"],
    )
    return answer.get("Messages", [])


async def _reason_to_leave(
    connection: PgConnection, message: MessageTypeDef, only: uuid.UUID | None
) -> str | None:
    """Why a message stays where it is; None when it may go back."""
    attributes = message.get("MessageAttributes", {})
    try:
        process_id = uuid.UUID(attributes["process_id"]["StringValue"])
        number = int(attributes["batch_number"]["StringValue"])
    except (KeyError, ValueError):
        return "names no batch"
    if only is not None and process_id != only:
        return "of another process"
    async with connection.transaction(readonly=True):
        await _see_all(connection)
        state = await connection.fetchrow(_STATE, process_id, number, sorted(TERMINAL))
    if state is None:
        return "its process is not known"
    if state["has_ended"]:
        return "its process has ended"
    if state["is_done"]:
        return "its batch has an outcome"
    return None


async def _see_all(connection: PgConnection) -> None:
    """See the rows of all tenants for the rest of the transaction."""
    if await connection.fetchval(_HAS_OWNER, OWNER):
        await connection.execute(f"SET LOCAL ROLE {OWNER}")
    await connection.execute("SET LOCAL ingestor.tenant = '*'")


def _as_received(message: MessageTypeDef) -> Mapping[str, Any]:
    """The attributes as they were sent: their signature still holds."""
    return {
        name: {key: value[key] for key in ("DataType", "StringValue", "BinaryValue") if key in value}
        for name, value in message.get("MessageAttributes", {}).items()
    }
