"""Mutual TLS between services: who is let in, and certificates that are renewed while everything runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from ingestor.local.tls.ca import Leaf, LocalCa
from ingestor.runtime.grpc import credentials
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.grpc.credentials import TlsFiles, peer_names, server_name
from ingestor.runtime.host import Service, host
from ingestor.runtime.settings import ServiceSettings, load_settings
from tests.handshakes import certificate, handshake


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at for every connection and call, not once a second."""
    monkeypatch.setattr(credentials, "_LOOK_SECONDS", 0.0)


@pytest.fixture
def ca(tmp_path: Path) -> LocalCa:
    return LocalCa(tmp_path / "ca", ["status", "upload"])


def files(leaf: Leaf) -> TlsFiles:
    return TlsFiles(leaf.certificate, leaf.key, leaf.ca)


def settings(leaf: Leaf) -> ServiceSettings:
    return ServiceSettings(
        listen="127.0.0.1:0",
        metrics_listen="",
        database_url=SecretStr("postgresql://unused"),
        drain_seconds=5,
        tls_cert=str(leaf.certificate),
        tls_key=str(leaf.key),
        tls_ca=str(leaf.ca),
    )


@asynccontextmanager
async def status(leaf: Leaf) -> AsyncIterator[int]:
    """A service; `Who` answers with the names in the caller's certificate."""

    async def who(request: bytes, context: Any) -> bytes:
        return ",".join(sorted(peer_names(context) or ())).encode()

    async def echo(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    @asynccontextmanager
    async def bootstrap(registry: CollectorRegistry) -> AsyncIterator[Service]:
        handlers: dict[str, Any] = {
            "Who": grpc.unary_unary_rpc_method_handler(who),
            "Echo": grpc.stream_stream_rpc_method_handler(echo),
        }
        handler = grpc.method_handlers_generic_handler("test.Peers", handlers)
        yield Service(lambda server: server.add_generic_rpc_handlers((handler,)), ("test.Peers",), {})

    async with host(settings(leaf), bootstrap, CollectorRegistry()) as service:
        yield service.port


async def who(channel: grpc.aio.Channel) -> str:
    call: Any = channel.unary_unary("/test.Peers/Who")
    return bytes(await call(b"", timeout=10)).decode()


async def refusal(channel: grpc.aio.Channel) -> str:
    """What gRPC says of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await who(channel)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    return str(caught.value.details())


async def test_a_service_is_known_by_its_certificate(ca: LocalCa) -> None:
    async with (
        status(ca.leaf("status")) as port,
        open_channel(f"127.0.0.1:{port}", service="status", tls=files(ca.leaf("upload"))) as channel,
    ):
        assert await who(channel) == "upload"


async def test_a_plain_client_is_refused(ca: LocalCa) -> None:
    async with status(ca.leaf("status")) as port, open_channel(f"127.0.0.1:{port}") as channel:
        await refusal(channel)


async def test_a_client_without_a_certificate_is_refused(ca: LocalCa) -> None:
    known = grpc.ssl_channel_credentials(ca.certificate.read_bytes())
    options = [server_name("status")]
    async with (
        status(ca.leaf("status")) as port,
        grpc.aio.secure_channel(f"127.0.0.1:{port}", known, options=options) as channel,
    ):
        await refusal(channel)


async def test_a_client_of_another_ca_is_refused(ca: LocalCa, tmp_path: Path) -> None:
    stranger = LocalCa(tmp_path / "other", ["upload"]).leaf("upload")
    mixed = TlsFiles(stranger.certificate, stranger.key, ca.certificate)  # it trusts the server
    async with (
        status(ca.leaf("status")) as port,
        open_channel(f"127.0.0.1:{port}", service="status", tls=mixed) as channel,
    ):
        await refusal(channel)


async def test_a_server_of_another_ca_is_not_trusted(ca: LocalCa, tmp_path: Path) -> None:
    stranger = LocalCa(tmp_path / "other", ["status"]).leaf("status")
    server = Leaf(stranger.certificate, stranger.key, ca.certificate)
    async with (
        status(server) as port,
        open_channel(f"127.0.0.1:{port}", service="status", tls=files(ca.leaf("upload"))) as channel,
    ):
        assert "CERTIFICATE_VERIFY_FAILED" in await refusal(channel)


async def test_a_service_cannot_stand_in_for_another(ca: LocalCa) -> None:
    async with (
        status(ca.leaf("upload")) as port,
        open_channel(f"127.0.0.1:{port}", service="status", tls=files(ca.leaf("upload"))) as channel,
    ):
        assert "Hostname" in await refusal(channel)


async def test_an_expired_client_is_refused_until_it_is_renewed(ca: LocalCa) -> None:
    upload = ca.leaf("upload")
    ca.issue("upload", days=-1)
    async with (
        status(ca.leaf("status")) as port,
        open_channel(f"127.0.0.1:{port}", service="status", tls=files(upload)) as channel,
    ):
        await refusal(channel)
        ca.issue("upload")
        assert await who(channel) == "upload"


async def test_an_expired_server_is_not_trusted_until_it_is_renewed(ca: LocalCa) -> None:
    server = ca.leaf("status")
    ca.issue("status", days=-1)
    async with status(server) as port:
        upload = files(ca.leaf("upload"))
        async with open_channel(f"127.0.0.1:{port}", service="status", tls=upload) as channel:
            assert "expired" in await refusal(channel)
        ca.issue("status")
        async with open_channel(f"127.0.0.1:{port}", service="status", tls=upload) as channel:
            assert await who(channel) == "upload"


async def test_the_server_shows_its_renewed_certificate(ca: LocalCa) -> None:
    leaf = ca.leaf("status")
    async with status(leaf) as port:
        before = await asyncio.to_thread(handshake, port)
        assert before == certificate(leaf.certificate)
        ca.issue("status")
        after = await asyncio.to_thread(handshake, port)
    assert after == certificate(leaf.certificate) != before


async def test_calls_under_way_survive_a_renewal(ca: LocalCa) -> None:
    """The next call goes by the new certificate, the stream ends where it began."""
    leaf = ca.leaf("upload")
    async with (
        status(ca.leaf("status")) as port,
        open_channel(f"127.0.0.1:{port}", service="status", tls=files(leaf)) as channel,
    ):
        method: Any = channel.unary_unary("/test.Peers/Who")
        streams: Any = channel.stream_stream("/test.Peers/Echo")
        stream = streams(timeout=30)
        await stream.write(b"a")
        assert await stream.read() == b"a"
        ca.issue("upload", names=["upload", "renewed.upload"])
        assert bytes(await method(b"", timeout=10)).decode() == "renewed.upload,upload"
        await stream.write(b"b")
        assert await stream.read() == b"b"
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() is grpc.StatusCode.OK


async def test_a_channel_that_is_closed_ends_the_calls_of_former_ones(ca: LocalCa) -> None:
    async with status(ca.leaf("status")) as port:
        async with open_channel(
            f"127.0.0.1:{port}", service="status", tls=files(ca.leaf("upload"))
        ) as channel:
            streams: Any = channel.stream_stream("/test.Peers/Echo")
            stream = streams(timeout=30)
            await stream.write(b"a")
            assert await stream.read() == b"a"
            ca.issue("upload")
            assert await who(channel) == "upload"
        assert await stream.code() is grpc.StatusCode.CANCELLED


def test_files_that_do_not_belong_together_are_not_used(ca: LocalCa) -> None:
    """While one file is new and the other is not, the former pair holds."""
    leaf = ca.leaf("upload")
    read = files(leaf)
    former = read.current()
    key = leaf.key.read_bytes()
    ca.issue("upload")
    renewed = leaf.key.read_bytes()
    leaf.key.write_bytes(key)
    assert read.current() is former
    leaf.key.write_bytes(renewed)
    assert read.current().key == renewed


def test_a_file_that_is_away_for_a_moment_is_missed_by_nobody(ca: LocalCa) -> None:
    leaf = ca.leaf("upload")
    read = files(leaf)
    former = read.current()
    leaf.certificate.rename(leaf.certificate.with_suffix(".away"))
    assert read.current() is former


@pytest.mark.parametrize("broken", ["certificate", "key", "ca"])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_service_says_which_file_it_cannot_use(
    ca: LocalCa, broken: str, how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leaf = ca.leaf("upload")
    path: Path = getattr(leaf, broken)
    if how == "missing":
        path.unlink()
    else:
        path.write_text("-----BEGIN NONSENSE-----")
    monkeypatch.setenv("INGESTOR_DATABASE_URL", "postgresql://unused")
    for name, file in (("CERT", leaf.certificate), ("KEY", leaf.key), ("CA", leaf.ca)):
        monkeypatch.setenv(f"INGESTOR_TLS_{name}", str(file))
    with pytest.raises(SystemExit) as caught:
        load_settings(ServiceSettings)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert str(path) in said
    assert said.count("\n") == 1


def test_a_key_of_another_certificate_is_refused(ca: LocalCa) -> None:
    with pytest.raises(ValueError, match="is not that of the certificate"):
        TlsFiles(ca.leaf("upload").certificate, ca.leaf("status").key, ca.certificate)


def test_settings_of_tls_come_together(
    ca: LocalCa, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INGESTOR_DATABASE_URL", "postgresql://unused")
    monkeypatch.setenv("INGESTOR_TLS_CERT", str(ca.leaf("upload").certificate))
    with pytest.raises(SystemExit):
        load_settings(ServiceSettings)
    said = capsys.readouterr().err
    assert "INGESTOR_TLS_KEY and INGESTOR_TLS_CA must be set too" in said
    assert "Value error" not in said


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_old_versions_of_tls_are_refused(ca: LocalCa, version: ssl.TLSVersion) -> None:
    async with status(ca.leaf("status")) as port:
        upload = ca.leaf("upload")
        assert await asyncio.to_thread(handshake, port, ssl.TLSVersion.TLSv1_2, upload)
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(handshake, port, version, upload)
