"""`ingestor admin` with a database, queues and a bucket of the test's own."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from ingestor.cli.main import main
from ingestor.local.services import SERVICES
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.settings import QueueSettings
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

    from ingestor.runtime.postgres.pool import PgConnection

T = TypeVar("T")


class Place:
    """A configuration, and ways to break it."""

    def __init__(self, database_url: str, aws_endpoint: str, files: Path) -> None:
        suffix = uuid.uuid4().hex
        self.rows, self.dead, self.events = (f"{name}-{suffix}" for name in ("rows", "dead", "events"))
        self.database_url = database_url
        self._aws_endpoint = aws_endpoint
        self.env: dict[str, str] = {
            "INGESTOR_ADMIN_DATABASE_URL": database_url,
            "INGESTOR_AWS_ENDPOINT_URL": aws_endpoint,
            "INGESTOR_ROWS_QUEUE": self.rows,
            "INGESTOR_ROWS_DEAD_LETTER_QUEUE": self.dead,
            "INGESTOR_EVENTS_QUEUE": self.events,
            "INGESTOR_FILE_STORE_DIR": str(files),
            **{f"INGESTOR_{service.upper()}_DATABASE_PASSWORD": PASSWORD for service in SERVICES},
        }

    def run(self, *arguments: str, status: int = 0) -> Result:
        """`ingestor admin ARGUMENTS`."""
        done = CliRunner().invoke(main, ["admin", *arguments], env=self.env)
        assert done.exit_code == status, (done.output, done.exception)
        return done

    def check(self, *, status: int) -> dict[str, dict[str, str]]:
        """The lines of `check` by name."""
        found = json.loads(self.run("check", "--json", status=status).stdout)
        assert found["ok"] == (status == 0)
        return {line["name"]: line for line in found["checks"]}

    def on_database(self, work: Callable[[PgConnection], Awaitable[T]]) -> T:
        """Do something as the administrator."""

        async def with_connection() -> T:
            connection = await asyncpg.connect(self.database_url)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(with_connection())

    def execute(self, statement: str) -> None:
        """Run SQL as the administrator."""
        self.on_database(lambda connection: connection.execute(statement))

    def on_queues(self, work: Callable[[SQSClient], Awaitable[T]]) -> T:
        """Do something with SQS."""

        async def with_client() -> T:
            async with open_sqs(QueueSettings(aws_endpoint_url=self._aws_endpoint)) as client:
                return await work(client)

        return asyncio.run(with_client())

    def remove_queues(self) -> None:
        """Those that are there."""

        async def work(client: SQSClient) -> None:
            for queue in (self.rows, self.dead, self.events):
                with suppress(ClientError):
                    url = (await client.get_queue_url(QueueName=queue))["QueueUrl"]
                    await client.delete_queue(QueueUrl=url)

        self.on_queues(work)

    def change_queue(self, queue: str, attributes: Any) -> None:
        """Set attributes of a queue."""

        async def work(client: SQSClient) -> None:
            url = (await client.get_queue_url(QueueName=queue))["QueueUrl"]
            await client.set_queue_attributes(QueueUrl=url, Attributes=attributes)

        self.on_queues(work)


@pytest.fixture
def place(database_url: str, aws_endpoint: str, tmp_path: Path) -> Iterator[Place]:
    """A configuration in which everything is right, but for the queues."""
    made = Place(database_url, aws_endpoint, tmp_path)
    yield made
    made.remove_queues()
