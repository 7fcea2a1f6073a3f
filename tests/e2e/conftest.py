"""The whole suite as a user runs it: `ingestor up`, and helpers to look at it from outside."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ingestor import AsyncClient
from ingestor.local.folder import Folder
from ingestor.local.ports import free_port
from ingestor.runtime.settings import QueueSettings
from tests.commands import Commands, command_server
from tests.e2e.page.built_page import write_page
from tests.e2e.shared import SHARED
from tests.plugins import install
from tests.postgres_server import postgres_server

INGESTOR = Path(sys.executable).with_name("ingestor")
# Redelivery after a killed processor comes within seconds instead of a minute, and nobody waits at the end.
QUICK = {
    "INGESTOR_VISIBILITY_SECONDS": "4",
    "INGESTOR_REDISPATCH_SECONDS": "12",
    "INGESTOR_LEASE_SECONDS": "4",
    "INGESTOR_REMOVAL_POLL_SECONDS": "0.5",
    "INGESTOR_DRAIN_SECONDS": "1",
    "INGESTOR_SAMPLE_SECONDS": "1",
}


@dataclass(frozen=True)
class Suite:
    """A running suite."""

    data: Path
    facts: Mapping[str, Any]  # what `ingestor env --secrets --json` says
    said: str  # what `ingestor up` said when it started

    @property
    def gateway(self) -> str:
        """host:port of Envoy."""
        return str(self.facts["gateway"])

    @property
    def dsn(self) -> str:
        """A DSN that sees everything."""
        return str(self.facts["database_url"])

    def use_queue(self) -> QueueSettings:
        """Settings of the suite's SQS; its access key is this process's from now on."""
        os.environ["AWS_ACCESS_KEY_ID"] = self.facts["aws_access_key_id"]
        os.environ["AWS_SECRET_ACCESS_KEY"] = self.facts["aws_secret_access_key"]
        return QueueSettings(aws_endpoint_url=self.facts["aws_endpoint_url"])

    def run(self, *arguments: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run `ingestor ARGUMENTS`; asserts its exit status unless `status` is None."""
        return ingestor(*arguments, data=self.data, status=status)

    def json(self, *arguments: str, status: int | None = 0) -> Any:
        """Run `ingestor ARGUMENTS --json` and parse what it prints."""
        return json.loads(self.run(*arguments, "--json", status=status).stdout)

    def ingest(self, path: Path, *arguments: str, status: int = 0) -> Any:
        """Ingest a file and return the object that `ingest --json` prints."""
        return self.json("ingest", str(path), *arguments, status=status)

    def pid(self, instance: str) -> int:
        """The process of a service, of Envoy, of the database or of the queue, as of now (it changes when the
        supervisor starts it again)."""
        state = Folder(self.data).state()
        assert state is not None
        return int(state["processes"][instance]["pid"])

    async def fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a query on the suite's database."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()


def ingestor(
    *arguments: str, data: Path, status: int | None = 0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line on the suite in `data`."""
    environment = {**os.environ, **QUICK, "INGESTOR_DATA": str(data), **(env or {})}
    if arguments[0] in ("up", "down"):
        done = subprocess.run(
            [INGESTOR, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    else:
        done = _commands().run(*arguments, env=environment)
    if status is not None:
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


_OPEN = ExitStack()


@cache
def _commands() -> Commands:
    folder = Path(_OPEN.enter_context(tempfile.TemporaryDirectory(prefix="ingestor-")))
    return _OPEN.enter_context(command_server(folder))


@pytest.fixture(scope="session", autouse=True)
def _close() -> Iterator[None]:
    yield
    SHARED.end_all_but(())
    _OPEN.close()


@contextmanager
def running(data: Path, *options: str, **env: str) -> Iterator[Suite]:
    """A suite in `data`, with these options of `ingestor up`, for as long as the context lasts."""
    done = ingestor("up", "--detach", "--gateway-port", str(free_port()), *options, data=data, env=env)
    try:
        facts = json.loads(ingestor("env", "--secrets", "--json", data=data).stdout)
        yield Suite(data, facts, done.stdout + done.stderr)
    finally:
        ingestor("down", data=data)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """One suite for most end-to-end tests; each uses tables and processes of its own."""

    def start() -> AbstractContextManager[Suite]:
        page = write_page(tmp_path_factory.mktemp("built"))
        return running(tmp_path_factory.mktemp("suite"), INGESTOR_PAGE_DIR=str(page))

    return SHARED.get("suite", start)


@pytest.fixture(scope="session")
def batch_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sink of the example writes in the suite `two`."""
    return tmp_path_factory.mktemp("batch_files")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, batch_files: Path) -> Suite:
    """A suite of two processors that know the example of a sink. Batches are not sent again while a test has
    them."""

    def start() -> AbstractContextManager[Suite]:
        site = tmp_path_factory.mktemp("site")
        install("plugin_sink", site)
        env = {
            "PYTHONPATH": str(site),
            "BATCH_FILES_ROOT": str(batch_files),
            "INGESTOR_REDISPATCH_SECONDS": "60",
            "INGESTOR_LOST_SECONDS": "60",
            "INGESTOR_SLICE_BYTES": "1250000",  # so that small files are several batches
        }
        return running(tmp_path_factory.mktemp("two"), "--processors", "2", **env)

    return SHARED.get("two", start)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A suite with somebody's PostgreSQL, with its files in S3, and without a page."""

    @contextmanager
    def start() -> Iterator[Suite]:
        folder = tmp_path_factory.mktemp("elsewhere")
        with postgres_server(folder / "external") as dsn:
            env = {"INGESTOR_DATABASE_URL": dsn, "INGESTOR_FILE_STORE": "s3"}
            with running(folder / "data", INGESTOR_PAGE_DIR=str(folder / "nothing"), **env) as started:
                assert started.dsn == dsn
                yield started

    return SHARED.get("elsewhere", start)


@pytest.fixture
async def client(suite: Suite) -> AsyncIterator[AsyncClient]:
    """A native gRPC client at the gateway."""
    async with AsyncClient(suite.gateway) as made:
        yield made


@pytest.fixture
def connection(suite: Suite) -> Iterator[http.client.HTTPConnection]:
    """An HTTP/1.1 connection to the gateway."""
    with closing(http.client.HTTPConnection(suite.gateway, timeout=60)) as opened:
        yield opened


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Hold a process while the context lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    """The first true value of a condition, looked at again and again; fails naming what never came."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:.0f} s"
        time.sleep(0.1)  # between two looks, not instead of one
    return value
