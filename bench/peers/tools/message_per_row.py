"""One SQS message and one transaction for each row, with its status: how such a system is often drawn.

Messages go and come in tens, as SQS allows at most; eight tasks send, and then sixteen load.
"""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import asyncpg
from aiobotocore.session import get_session

from bench.peers.tools.common import SQL_COLUMNS, create, finish, options

_SENDERS, _LOADERS, _BATCH = 8, 16, 10  # ten: the most that one call may carry
_CONVERT: dict[str, Callable[[str], Any]] = {
    "bigint": int, "text": str, "numeric": Decimal, "date": date.fromisoformat,
    "timestamptz": datetime.fromisoformat, "boolean": lambda text: {"true": True, "false": False}[text],
}  # fmt: skip


async def main() -> None:
    """Load the file."""
    chosen = options()
    insert = (
        f"INSERT INTO {chosen.table} VALUES ({', '.join(f'${n}' for n in range(1, len(SQL_COLUMNS) + 1))})"
    )
    record = f"INSERT INTO {chosen.table}_status VALUES ($1, $2, $3)"
    left = 0

    with chosen.file.open(newline="", encoding="utf-8") as file:
        records = csv.reader(file)
        next(records)
        numbered = enumerate(records, 1)

        def ten() -> Iterator[list[tuple[int, list[str]]]]:
            while found := list(islice(numbered, _BATCH)):
                yield found

        async with (
            get_session().create_client("sqs", endpoint_url=chosen.sqs, region_name="us-east-1") as sqs,
            asyncpg.create_pool(chosen.dsn, min_size=_LOADERS, max_size=_LOADERS) as pool,
        ):
            await pool.execute(create(chosen.table))
            await pool.execute(
                f"CREATE TABLE {chosen.table}_status (row bigint PRIMARY KEY, state text, reason text)"
            )
            queue = (await sqs.create_queue(QueueName=chosen.table))["QueueUrl"]
            batches = ten()

            async def send() -> None:
                nonlocal left
                for batch in batches:
                    entries = [{"Id": str(n), "MessageBody": json.dumps([n, cells])} for n, cells in batch]
                    await sqs.send_message_batch(QueueUrl=queue, Entries=entries)
                    left += len(batch)

            async def load_one(body: str) -> None:
                number, cells = json.loads(body)
                async with pool.acquire() as connection, connection.transaction():
                    try:
                        values = [
                            _CONVERT[kind](cell)
                            for kind, cell in zip(SQL_COLUMNS.values(), cells, strict=True)
                        ]
                    except (ValueError, ArithmeticError, KeyError) as error:
                        await connection.execute(record, number, "FAILED", str(error))
                        return
                    await connection.execute(insert, *values)
                    await connection.execute(record, number, "SUCCEEDED", None)

            async def load() -> None:
                nonlocal left
                while left > 0:
                    got = await sqs.receive_message(
                        QueueUrl=queue, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=1
                    )
                    messages = got.get("Messages", [])
                    for message in messages:
                        await load_one(message["Body"])
                    if messages:
                        entries = [
                            {"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]}
                            for n, one in enumerate(messages)
                        ]
                        await sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
                        left -= len(messages)

            await asyncio.gather(*(send() for _ in range(_SENDERS)))
            await asyncio.gather(*(load() for _ in range(_LOADERS)))
            failed = await pool.fetch(f"SELECT row, reason FROM {chosen.table}_status WHERE state = 'FAILED'")
            await sqs.delete_queue(QueueUrl=queue)
    finish(0, failed[-1]["reason"] if failed else "", [row["row"] for row in failed])


if __name__ == "__main__":
    asyncio.run(main())
