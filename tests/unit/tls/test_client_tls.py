"""The client and the command line at a gateway with TLS: addresses, and certificates that are wrong."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from ingestor import AsyncClient, Client
from ingestor.cli.main import main
from ingestor.client.channel import Endpoint
from ingestor.client.errors import UnavailableError
from ingestor.local.tls.ca import Leaf, LocalCa
from ingestor.v1 import status_pb2_grpc
from tests.fakes.gateway import Suite


@pytest.fixture
def ca(tmp_path: Path) -> LocalCa:
    return LocalCa(tmp_path / "ca", ["gateway"])


async def _gateway(leaf: Leaf) -> AsyncIterator[int]:
    server = grpc.aio.server()
    status_pb2_grpc.add_StatusServiceServicer_to_server(Suite().status, server)
    pair = (leaf.key.read_bytes(), leaf.certificate.read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    yield port
    await server.stop(None)


@pytest.fixture
async def gateway(ca: LocalCa) -> AsyncIterator[int]:
    async for port in _gateway(ca.leaf("gateway", local=True)):
        yield port


async def count(client: AsyncClient) -> int:
    return len([process async for process in client.processes()])


@pytest.mark.parametrize("form", ["https://127.0.0.1:{}", "https://localhost:{}/", "127.0.0.1:{}"])
async def test_each_form_of_an_address_works_with_a_ca(gateway: int, ca: LocalCa, form: str) -> None:
    async with AsyncClient(form.format(gateway), ca=ca.certificate) as client:
        assert await count(client) == 2


async def test_tls_can_be_asked_for(gateway: int, ca: LocalCa) -> None:
    async with AsyncClient(f"127.0.0.1:{gateway}", tls=True, ca=str(ca.certificate)) as client:
        assert await count(client) == 2


async def refusal(client: AsyncClient) -> str:
    """Why a call fails, at once: nothing is tried again."""
    async with client:
        with pytest.raises(UnavailableError) as caught:
            await client.process("p1")
    assert caught.value.reason == "TLS_FAILED"
    assert "SSL" not in caught.value.message
    return str(caught.value.message)


async def test_a_ca_that_is_not_trusted_is_told_at_once(gateway: int) -> None:
    lost: list[str] = []
    message = await refusal(AsyncClient(f"https://127.0.0.1:{gateway}", on_lost=lost.append))
    assert "no CA that is trusted here" in message
    assert "--ca" in message
    assert not lost


async def test_the_wrong_ca_is_told(gateway: int, tmp_path: Path) -> None:
    other = LocalCa(tmp_path / "other", ["gateway"])
    assert "no CA" in await refusal(AsyncClient(f"https://127.0.0.1:{gateway}", ca=other.certificate))


async def test_an_expired_certificate_is_told(ca: LocalCa) -> None:
    leaf = ca.leaf("gateway", local=True)
    ca.issue("gateway", days=-1)
    async for port in _gateway(leaf):
        client = AsyncClient(f"https://127.0.0.1:{port}", ca=ca.certificate)
        assert "has expired" in await refusal(client)


async def test_a_certificate_of_another_host_is_told(ca: LocalCa) -> None:
    async for port in _gateway(ca.leaf("gateway")):
        client = AsyncClient(f"https://127.0.0.1:{port}", ca=ca.certificate)
        assert "another host name" in await refusal(client)


async def test_a_gateway_without_tls_is_told(ca: LocalCa) -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = AsyncClient(f"https://127.0.0.1:{port}", ca=ca.certificate)
    assert "http://host:port" in await refusal(client)
    await server.stop(None)


async def test_a_plain_client_is_told_of_https(gateway: int) -> None:
    async with AsyncClient(f"127.0.0.1:{gateway}", patience=0.1) as client:
        with pytest.raises(UnavailableError, match="https://"):
            await client.process("p1")


@pytest.mark.parametrize(
    ("address", "target", "tls"),
    [
        ("suite.example:8443", "suite.example:8443", False),
        ("http://suite.example", "suite.example:80", False),
        ("https://suite.example", "suite.example:443", True),
        ("HTTPS://suite.example:8443/", "suite.example:8443", True),
        ("https://[::1]:8443", "[::1]:8443", True),
        ("https://[::1]", "[::1]:443", True),
    ],
)
def test_an_address_says_where_and_how(address: str, target: str, tls: bool) -> None:
    found = Endpoint.of(address)
    assert (found.target, found.tls) == (target, tls)


@pytest.mark.parametrize("address", ["ftp://suite", "https://", "https://suite/path"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        Client(address)


def test_a_contradiction_is_refused() -> None:
    with pytest.raises(ValueError, match="contradicts tls=True"):
        Client("http://suite:1", tls=True)


def test_a_ca_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Client("https://suite", ca=tmp_path / "nothing.pem")
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("hello")
    with pytest.raises(ValueError, match="holds no certificate"):
        Client("https://suite", ca=wrong)


@pytest.fixture
def nowhere() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    yield port


def test_the_command_line_says_what_is_wrong_with_a_ca(nowhere: int, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("hello")
    address = f"https://127.0.0.1:{nowhere}"
    done = CliRunner().invoke(main, ["--address", address, "--ca", str(wrong), "processes"])
    assert (done.exit_code, "holds no certificate" in done.output) == (2, True)
    missing = CliRunner().invoke(
        main, ["--address", address, "processes"], env={"INGESTOR_CA": "/nothing.pem"}
    )
    assert (missing.exit_code, "/nothing.pem" in missing.output) == (2, True)
