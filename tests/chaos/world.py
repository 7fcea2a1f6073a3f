"""The suite that is broken: two of each service behind Envoy, with its database and its queue."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from ingestor.local.aws.ministack import MiniStack
from ingestor.local.errors import SuiteError
from ingestor.local.ports import free_port
from ingestor.local.postgres import EmbeddedPostgres
from tests.chaos.links.aws import AwsLink
from tests.chaos.links.tcp import TcpLink

if TYPE_CHECKING:
    from tests.chaos.people import People

SERVICES = ("upload", "orchestrator", "processor", "status")
_UP_SECONDS = 120
_BACK_SECONDS = 120  # for a database that another fault has taken away
_KEY = "chaos"
# What is raised where the database goes, or has no place.
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass
class World:
    """A suite, and what is between it and the rest. `own`: it has PostgreSQL and a queue of its own, which it
    starts again itself; else they are here, and `to_database` and `to_aws` lead to them."""

    folder: Path
    own: bool
    port: int  # of the gateway
    environment: Mapping[str, str]
    dsn: str = ""
    postgres: EmbeddedPostgres | None = None
    queue: MiniStack | None = None
    to_database: TcpLink | None = None
    to_aws: AwsLink | None = None
    to_gateway: TcpLink | None = None
    to_services: Mapping[str, Sequence[TcpLink]] = field(default_factory=dict)  # each instance's
    gateway: str = ""  # where clients call it
    facts: Mapping[str, Any] = field(default_factory=dict)
    people: People | None = None  # who work in it
    flood: str = ""  # the key of a second tenant

    @property
    def fail_points(self) -> Path:
        """The folder whose files are the places at which the next process to come by ends."""
        return self.folder / "fail-points"

    @property
    def temporary(self) -> Path:
        """The folder of the suite's temporary files."""
        return self.folder / "temporary"

    async def up(self) -> None:
        """Start the suite, and wait until it can start. Raises SuiteError."""
        end = time.monotonic() + _UP_SECONDS
        while True:
            done = await self._ingestor(
                "up", "--detach", "--json", "--processors", "2", "--replicas", "2",
                "--gateway-port", str(self.port),
            )  # fmt: skip
            if done.returncode == 0:
                break
            if time.monotonic() > end:
                raise SuiteError(f"the suite does not start: {done.stderr[-500:]}")
            await asyncio.sleep(0.2)  # between two tries
        self.facts = json.loads((await self._ingestor("env", "--secrets", "--json")).stdout)
        if self.own:
            self.dsn = self.facts["database_url"]

    async def add_tenant(self) -> None:
        """Make the second tenant. Raises SuiteError."""
        done = await self._ingestor("admin", "tenants", "create", "flood", "--key", "--json")
        if done.returncode != 0:
            raise SuiteError(f"no tenant: {done.stderr[-500:]}")
        self.flood = json.loads(done.stdout)["token"]

    async def down(self) -> None:
        """Stop the suite."""
        await self._ingestor("down")

    async def _ingestor(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ingestor.cli", *arguments, "--data", str(self.folder / "suite")]
        return await asyncio.to_thread(
            subprocess.run, command, env=dict(self.environment), capture_output=True, text=True, check=False
        )

    def look(self) -> Mapping[str, Any]:
        """What the suite says of itself now, with the processes that it runs."""
        found: Mapping[str, Any] = json.loads((self.folder / "suite" / "suite.json").read_text("utf-8"))
        return found

    def pids(self, what: str) -> list[int]:
        """Processes of a service, or of Envoy, PostgreSQL or the queue; PostgreSQL's first one only."""
        if what in SERVICES:
            instances = self.look()["services"].items()
            found = [facts["pid"] for name, facts in instances if name.partition("-")[0] == what]
        elif what == "supervisor":
            found = [self.look()["pid"]]
        elif not self.own and what == "postgres":
            assert self.postgres and self.postgres.process
            found = [self.postgres.process.pid]
        elif not self.own and what == "queue":
            assert self.queue and self.queue.process
            found = [self.queue.process.pid]
        else:
            mark = {"envoy": "envoy", "postgres": "bin/postgres", "queue": "ingestor.local.aws.guard"}[what]
            found = []
            for child in psutil.Process(self.look()["pid"]).children():
                with suppress(psutil.Error):
                    if any(mark in word for word in child.cmdline()[:3]):
                        found.append(child.pid)
        return [pid for pid in found if pid and psutil.pid_exists(pid)]

    def setting(self, name: str) -> str:
        """A setting of the processors."""
        return psutil.Process(self.pids("processor")[0]).environ()[name]

    def send(self, number: signal.Signals, *pids: int) -> None:
        """Send a signal to processes that may have ended."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def connect(self) -> asyncpg.Connection:
        """A connection past every link. Another fault may have taken the database away: it is waited for."""
        async with asyncio.timeout(_BACK_SECONDS):
            while True:
                with suppress(*AWAY):
                    return await asyncpg.connect(self.dsn, timeout=10)
                await asyncio.sleep(0.2)  # until the next attempt

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Rows of a query, past every link."""
        connection = await asyncpg.connect(self.dsn, timeout=10)
        try:
            return list(await connection.fetch(query, *arguments, timeout=60))
        finally:
            await connection.close(timeout=5)

    async def execute(self, script: str) -> None:
        """Run statements, past every link; again when the database goes away meanwhile, so they must be
        repeatable."""
        while True:
            connection = await self.connect()
            try:
                await connection.execute(script, timeout=60)
                return
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError):
                continue
            finally:
                connection.terminate()

    async def progress(self) -> int | None:
        """A number that grows with everything that is loaded; None while the database is away."""
        try:
            [row] = await self.fetch(
                "SELECT coalesce(sum(batches_processed), 0) + count(*) FILTER (WHERE ended_at IS NOT NULL) "
                "FROM status.processes"
            )
        except AWAY:
            return None
        return int(row[0])

    async def next_progress(self) -> None:
        """Wait until something more is loaded than now, or than when the database is back."""
        first: int | None = None
        while True:
            found = await self.progress()
            if first is None:
                first = found
            elif found is not None and found > first:
                return
            await asyncio.sleep(0.1)  # between two looks

    async def outcomes(self) -> None:
        """Wait until every batch that is in flight now has its outcome; those of processes that somebody
        pauses, cancels or deletes need none."""
        flying = set(map(tuple, await self._in_flight()))
        while flying:
            await asyncio.sleep(0.1)  # between two looks
            with suppress(*AWAY):
                flying &= set(map(tuple, await self._in_flight()))

    async def _in_flight(self) -> list[Any]:
        return await self.fetch(
            "SELECT b.process_id, b.batch_number FROM status.batches b JOIN status.processes p "
            "USING (process_id) WHERE b.processed_at IS NULL AND p.ended_at IS NULL AND NOT p.paused "
            "AND NOT p.cancelled"
        )

    async def serves_again(self, instance: str, pid: int) -> None:
        """Wait until an instance that had this process is ready with another one."""
        while True:
            facts = self.look()["services"][instance]
            if facts["pid"] != pid and await asyncio.to_thread(_is_ready, facts["metrics"]):
                return
            await asyncio.sleep(0.1)  # between two looks

    async def has_again(self, what: str, pids: Sequence[int]) -> None:
        """Wait until Envoy, PostgreSQL or the queue runs with another process than these."""
        while not set(self.pids(what)) - set(pids):
            await asyncio.sleep(0.1)  # between two looks

    async def restart_postgres(self, number: signal.Signals, away: float) -> None:
        """End PostgreSQL, and start it again after some seconds."""
        assert self.postgres
        self.send(number, *self.pids("postgres"))
        await asyncio.sleep(away)  # the fault
        await asyncio.to_thread(self.postgres.stop)
        end = time.monotonic() + 60
        while True:  # processes of the one before may still hold its memory
            try:
                self.postgres.start()
                await asyncio.to_thread(self.postgres.wait)
                return
            except SuiteError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.2)


def _is_ready(metrics: str) -> bool:
    try:
        with urllib.request.urlopen(metrics.replace("/metrics", "/readyz"), timeout=5):
            return True
    except OSError:
        return False


def _through(dsn: str, port: int) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"))


@asynccontextmanager
async def world(
    folder: Path, draw: random.Random, *, own: bool, settings: Mapping[str, str]
) -> AsyncIterator[World]:
    """A world while the context lasts. `settings` are the suite's."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INGESTOR_")}
    made = World(folder, own, free_port(), environment)
    made.fail_points.mkdir()
    made.temporary.mkdir()
    async with AsyncExitStack() as stack:
        environment |= {**settings, "INGESTOR_FAIL_POINTS": str(made.fail_points)}
        environment["TMPDIR"] = str(made.temporary)
        if not own:
            environment |= await _backends(made, draw, stack)
        made.environment = environment
        await made.up()
        stack.push_async_callback(made.down)
        await made.add_tenant()
        made.to_gateway = TcpLink("127.0.0.1", made.port)
        made.gateway = f"127.0.0.1:{await made.to_gateway.start()}"
        stack.push_async_callback(made.to_gateway.stop)
        yield made


async def _ways(made: World, stack: AsyncExitStack) -> str:
    """Put a link in front of each instance: their ports are chosen before the suite starts."""
    ports: dict[str, int] = {}
    ways = []
    links: dict[str, list[TcpLink]] = {}
    for service in SERVICES:
        for instance in (service, f"{service}-2"):
            while (port := free_port()) in ports.values():
                pass
            ports[instance] = port
            link = TcpLink("127.0.0.1", port)
            ways.append(f"127.0.0.1:{port}=127.0.0.1:{await link.start()}")
            stack.push_async_callback(link.stop)
            links.setdefault(service, []).append(link)
    made.to_services = links
    suite = made.folder / "suite"
    suite.mkdir(mode=0o700)
    (suite / "ports.json").write_text(json.dumps(ports), "utf-8")
    return ",".join(ways)


async def _backends(made: World, draw: random.Random, stack: AsyncExitStack) -> dict[str, str]:
    made.postgres = EmbeddedPostgres(made.folder / "postgres")
    made.postgres.start()
    made.postgres.wait()
    stack.callback(made.postgres.stop)
    made.dsn = made.postgres.dsn
    made.queue = MiniStack(made.folder / "queue")
    made.queue.start()
    made.queue.wait()
    stack.callback(made.queue.stop)
    made.to_database = TcpLink("127.0.0.1", made.postgres.port)
    stack.push_async_callback(made.to_database.stop)
    made.to_aws = AwsLink(made.queue.endpoint, draw)
    stack.push_async_callback(made.to_aws.stop)
    store = draw.choice(["disk", "s3"])
    return {
        "INGESTOR_DATABASE_URL": _through(made.dsn, await made.to_database.start()),
        "INGESTOR_WAYS": await _ways(made, stack),
        "INGESTOR_AWS_ENDPOINT_URL": f"http://127.0.0.1:{await made.to_aws.start()}",
        "INGESTOR_FILE_STORE": store,
        **({"INGESTOR_S3_BUCKET": "chaos"} if store == "s3" else {}),
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
