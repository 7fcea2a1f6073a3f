"""TLS to PostgreSQL, as the suite on one machine has it: a real server, and the services' own way to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from ingestor.local.errors import SuiteError
from ingestor.local.postgres import EmbeddedPostgres
from ingestor.local.tls.ca import LocalCa
from ingestor.local.tls.postgres import PostgresTls
from ingestor.runtime.postgres.pool import open_pool
from tests.postgres_server import FAST


class Running:
    """A server, what is before it, and the CA that vouches for it."""

    def __init__(self, folder: Path) -> None:
        self.ca = LocalCa(folder / "ca", ["postgres"])
        self.server = EmbeddedPostgres(folder / "postgres", settings=FAST, listen=False)
        self.server.start()
        self.server.wait()
        self.before = PostgresTls(self.server.socket, self.ca.leaf("postgres", local=True))
        self.before.start()

    @property
    def dsn(self) -> str:
        """The superuser's."""
        return self.before.dsn(self.server.password)

    def asking(self, query: str) -> str:
        """The DSN with other parameters."""
        return urlunsplit(urlsplit(self.dsn)._replace(query=query))

    def stop(self) -> None:
        """Stop both."""
        self.before.stop()
        self.server.stop()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("tls"))
    yield running
    running.stop()


async def value(dsn: str) -> int:
    connection = await asyncpg.connect(dsn, timeout=20)
    try:
        return int(await connection.fetchval("SELECT 1"))
    finally:
        await connection.close()


async def test_the_services_pool_works_by_tls(postgres: Running) -> None:
    async with open_pool(postgres.dsn, service="upload", schema="public", size=4) as pool:
        await pool.execute("CREATE TABLE IF NOT EXISTS large (row int, data text)")
        rows = [(number, "x" * 1000) for number in range(20_000)]
        async with pool.acquire() as connection:
            await connection.copy_records_to_table("large", records=rows)
        found = await asyncio.gather(
            *(pool.fetchval("SELECT sum(length(data)) FROM large") for _ in range(4))
        )
    assert found == [20_000_000] * 4


async def test_a_connection_without_tls_is_refused(postgres: Running) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="need TLS"):
        await value(postgres.asking("sslmode=disable"))


async def test_the_wrong_ca_is_refused(postgres: Running, tmp_path: Path) -> None:
    other = LocalCa(tmp_path, ["postgres"])
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        await value(postgres.asking(f"sslmode=verify-full&sslrootcert={other.certificate}"))


async def test_a_certificate_of_another_host_is_refused(postgres: Running) -> None:
    """So sslmode=verify-full, where verify-ca would be content."""
    try:
        postgres.ca.issue("postgres", names=["postgres"])
        postgres.before.renew()
        with pytest.raises(OSError, match="not valid for"):
            await value(postgres.dsn)
        assert await value(postgres.dsn.replace("verify-full", "verify-ca")) == 1
    finally:
        postgres.ca.issue("postgres")
        postgres.before.renew()


async def test_a_renewed_certificate_is_used_without_a_restart(postgres: Running) -> None:
    connection = await asyncpg.connect(postgres.dsn)
    postgres.ca.issue("postgres", days=-1)
    postgres.before.renew()
    with pytest.raises(OSError, match="expired"):
        await value(postgres.dsn)
    postgres.ca.issue("postgres")
    postgres.before.renew()
    assert await value(postgres.dsn) == 1
    assert await connection.fetchval("SELECT 1") == 1  # what is open stays so
    await connection.close()


async def test_a_statement_is_cancelled_by_tls(postgres: Running) -> None:
    connection = await asyncpg.connect(postgres.dsn)
    with pytest.raises(TimeoutError):
        await connection.execute("SELECT pg_sleep(60)", timeout=0.2)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


def test_nothing_else_listens(postgres: Running) -> None:
    """The server itself has a socket in its own folder, and no port."""
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", postgres.server.port)):
        pass
    assert postgres.server.socket.parent.stat().st_mode & 0o077 == 0


def test_other_protocols_and_silence_end_quietly(postgres: Running) -> None:
    for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x08\x04\xd2\x16\x2fnonsense"):
        with socket.create_connection(("127.0.0.1", postgres.before.port), timeout=20) as connection:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1000):
                pass


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    leaf = LocalCa(tmp_path, ["postgres"]).leaf("postgres")
    with pytest.raises(SuiteError, match="too long for a socket"):
        PostgresTls(Path("/" + "x" * 120), leaf)
