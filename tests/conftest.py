"""Fixtures that tests of every kind share: a real PostgreSQL and a real SQS/S3 API.

PostgreSQL is, in this order: the server named by INGESTOR_TEST_DATABASE_URL (a superuser's DSN), a
testcontainers one when a Docker engine answers, else the embedded one. SQS/S3 is MiniStack.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import uvloop
from hypothesis import settings
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from ingestor.local.ministack import MiniStack
from ingestor.runtime.aws import open_sqs
from ingestor.runtime.host import host
from ingestor.runtime.provision import provision
from ingestor.runtime.queues import ensure_queues
from ingestor.runtime.settings import QueueSettings
from ingestor.services.status.bootstrap import bootstrap as bootstrap_status
from ingestor.services.status.settings import StatusSettings
from tests.postgres_server import postgres_server

# How long an example takes says nothing on a busy machine.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def postgres_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A superuser's DSN of a PostgreSQL server that lasts for the session."""
    if dsn := os.environ.get("INGESTOR_TEST_DATABASE_URL"):
        yield dsn
        return
    with postgres_server(tmp_path_factory.mktemp("postgres"), {"fsync": "off"}) as dsn:
        yield dsn


def with_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def database_url(postgres_dsn: str) -> AsyncIterator[str]:
    """A superuser's DSN of a database of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    await _execute(postgres_dsn, f'CREATE DATABASE "{name}"')
    yield with_database(postgres_dsn, name)
    await _execute(postgres_dsn, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an SQS and S3 API that lasts for the session; credentials are in the environment."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    server = MiniStack(tmp_path_factory.mktemp("ministack"))
    server.start()
    try:
        yield server.endpoint
    finally:
        server.stop()


@pytest.fixture
async def status_settings(database_url: str, aws_endpoint: str) -> StatusSettings:
    """Settings of a status service with a role, a schema and queues of the test's own."""
    suffix = uuid.uuid4().hex
    async with open_sqs(QueueSettings(aws_endpoint_url=aws_endpoint)) as client:
        await ensure_queues(client, rows=f"r{suffix}", dead_letter=f"d{suffix}", events=f"e{suffix}")
    dsns = await provision(database_url, {"status": "secret"})
    return StatusSettings(
        listen="127.0.0.1:0",
        metrics_listen="",
        database_url=SecretStr(dsns["status"]),
        aws_endpoint_url=aws_endpoint,
        events_queue=f"e{suffix}",
    )


@pytest.fixture
async def status_address(status_settings: StatusSettings) -> AsyncIterator[str]:
    """Where a running status service listens."""
    registry = CollectorRegistry()
    async with host(
        status_settings, lambda made: bootstrap_status(status_settings, made), registry
    ) as service:
        yield f"127.0.0.1:{service.port}"


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that production uses."""
    return {"uvloop": uvloop.new_event_loop}
