"""The whole suite as a user runs it: `ingestor up`, and helpers to look at it from outside."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ingestor.client.client import Client
from ingestor.local.ports import free_port
from tests.e2e.page.built_page import write_page

INGESTOR = Path(sys.executable).with_name("ingestor")
# Redelivery after a killed processor comes within seconds instead of a minute.
QUICK = {
    "INGESTOR_VISIBILITY_SECONDS": "6",
    "INGESTOR_REDISPATCH_SECONDS": "20",
    "INGESTOR_LEASE_SECONDS": "6",
}


@dataclass(frozen=True)
class Suite:
    """A running suite."""

    data: Path
    facts: Mapping[str, Any]  # what `ingestor env --json` says

    @property
    def gateway(self) -> str:
        """host:port of Envoy."""
        return str(self.facts["gateway"])

    @property
    def dsn(self) -> str:
        """A DSN that sees everything."""
        return str(self.facts["database_url"])

    def run(self, *arguments: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run `ingestor ARGUMENTS`; asserts its exit status unless `status` is None."""
        return ingestor(*arguments, data=self.data, status=status)

    def json(self, *arguments: str, status: int | None = 0) -> Any:
        """Run `ingestor ARGUMENTS --json` and parse what it prints."""
        return json.loads(self.run(*arguments, "--json", status=status).stdout)

    def ingest(self, path: Path, *arguments: str, status: int = 0) -> Any:
        """Ingest a file and return the object that `ingest --json` prints."""
        return self.json("ingest", str(path), *arguments, status=status)

    def pid(self, service: str) -> int:
        """The process of a service, as of now (it changes when the supervisor starts it again)."""
        return int(self.json("env")["services"][service]["pid"])

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
    done = subprocess.run(
        [INGESTOR, *arguments],
        env={**os.environ, **QUICK, "INGESTOR_DATA": str(data), **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if status is not None:
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """One suite for all end-to-end tests; each uses tables and processes of its own."""
    data = tmp_path_factory.mktemp("suite")
    page = write_page(tmp_path_factory.mktemp("built"))
    ingestor(
        "up", "--detach", "--gateway-port", str(free_port()), data=data, env={"INGESTOR_PAGE_DIR": str(page)}
    )
    try:
        yield Suite(data, json.loads(ingestor("env", "--json", data=data).stdout))
    finally:
        ingestor("down", data=data)


@pytest.fixture
async def client(suite: Suite) -> AsyncIterator[Client]:
    """A native gRPC client at the gateway."""
    async with Client(suite.gateway) as made:
        yield made


@pytest.fixture
def connection(suite: Suite) -> Iterator[http.client.HTTPConnection]:
    """An HTTP/1.1 connection to the gateway."""
    with closing(http.client.HTTPConnection(suite.gateway, timeout=60)) as opened:
        yield opened


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    """The first true value of a condition, looked at again and again; fails naming what never came."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:.0f} s"
        time.sleep(0.1)  # between two looks, not instead of one
    return value
