"""Fixtures that tests of every kind share: a real PostgreSQL and a real SQS/S3 API.

PostgreSQL is, in this order: the server named by INGESTOR_TEST_DATABASE_URL (a superuser's DSN), a
testcontainers one when a Docker engine answers, else the embedded one. SQS/S3 is MiniStack.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import uvloop
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from xdist.scheduler import LoadScopeScheduling

from ingestor.access import scope
from ingestor.access.scope import DEFAULT_TENANT
from ingestor.local.aws.ministack import MiniStack
from ingestor.local.services import SERVICES
from ingestor.provisioning.database import provision
from ingestor.provisioning.names import role_of
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.queues import ensure_queues
from ingestor.runtime.host import host
from ingestor.runtime.settings import QueueSettings
from ingestor.services.status.bootstrap import bootstrap as bootstrap_status
from ingestor.services.status.settings import StatusSettings
from tests.e2e.shared import SHARED
from tests.examples import load_profile
from tests.messages import Watch
from tests.postgres_server import FAST, postgres_server

load_profile()
_SHARED = pytest.StashKey[dict[Path, set[str]]]()  # by file, the shared suites that it uses
_watch = Watch()
_watch.begin()
# What runs in tests is of the tenant `default`, unless they say otherwise; services that they start let
# everybody in.
scope.enter(DEFAULT_TENANT)
os.environ["INGESTOR_AUTH"] = "local"
PASSWORD = "secret"  # of each service's role
OpenDatabase = Callable[[], Awaitable[str]]


@pytest.fixture(autouse=True)
def every_message_is_for_people() -> Iterator[None]:
    """Fail a test in which the suite made a message that no user should see."""
    _watch.flaws.clear()
    yield
    assert not _watch.flaws


@pytest.fixture(scope="session")
def postgres_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A superuser's DSN of a PostgreSQL server that lasts for the session."""
    if dsn := os.environ.get("INGESTOR_TEST_DATABASE_URL"):
        yield dsn
        return
    with postgres_server(tmp_path_factory.mktemp("postgres"), FAST) as dsn:
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


def service_dsn(dsn: str, service: str) -> str:
    """The same database as the role of a service sees it."""
    host_and_port = urlsplit(dsn).netloc.rpartition("@")[2]
    return urlunsplit(urlsplit(dsn)._replace(netloc=f"{role_of(service)}:{PASSWORD}@{host_and_port}"))


@pytest.fixture(scope="session")
def database_template(postgres_dsn: str) -> Iterator[str]:
    """Name of a database of which each test that needs one gets a copy."""
    name = f"template_{uuid.uuid4().hex}"
    asyncio.run(_execute(postgres_dsn, f'CREATE DATABASE "{name}"'))
    asyncio.run(provision(with_database(postgres_dsn, name), dict.fromkeys(SERVICES, PASSWORD)))
    yield name
    asyncio.run(_execute(postgres_dsn, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
async def open_database(postgres_dsn: str, database_template: str) -> AsyncIterator[OpenDatabase]:
    """A superuser's DSN of a database of the test's own, made when it is first asked for."""
    name = f"test_{uuid.uuid4().hex}"
    made = False

    async def dsn() -> str:
        nonlocal made
        if not made:
            made = True
            await _execute(postgres_dsn, f'CREATE DATABASE "{name}" TEMPLATE "{database_template}"')
        return with_database(postgres_dsn, name)

    yield dsn
    if made:
        await _execute(postgres_dsn, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def database_url(open_database: OpenDatabase) -> str:
    """A superuser's DSN of a database of the test's own."""
    return await open_database()


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an SQS and S3 API that lasts for the session; credentials are in the environment."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    server = MiniStack(tmp_path_factory.mktemp("ministack"))
    server.start()
    server.wait()
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
    return StatusSettings(
        listen="127.0.0.1:0",
        metrics_listen="",
        database_url=SecretStr(service_dsn(database_url, "status")),
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


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist is not typed
    """Of several workers one runs all tests of a file, and of files that share a suite of their own.
    Tests of the simulation share nothing, and take long."""

    TOGETHER = ("tests/e2e/test_crashes.py", "tests/e2e/test_pipelines.py", "tests/e2e/test_winner.py")

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith("tests/simulation/"):
            return nodeid
        return self.TOGETHER[0] if file in self.TOGETHER else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """How tests are spread when there are several workers (`-n 2`)."""
    config.option.loadscopereorder = False  # the order is that of the next hook
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files go first to the workers, so that these end at about the same time; files that share a
    suite follow each other."""
    shared = config.stash[_SHARED] = {}
    for item in items:
        shared.setdefault(item.path, set()).update({*SHARED.NAMES} & {*getattr(item, "fixturenames", ())})
    order = ("tests/e2e/page/test_page.py", "tests/e2e", "tests/integration", "tests/contract")
    if hasattr(config, "workerinput"):
        items.sort(
            key=lambda item: (
                [not item.nodeid.startswith(start) for start in order],
                [name in shared[item.path] for name in reversed(SHARED.NAMES)],
            )
        )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """End the shared suites that a file does not use when it begins."""
    SHARED.end_all_but(item.config.stash[_SHARED][item.path])


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that production uses."""
    return {"uvloop": uvloop.new_event_loop}
