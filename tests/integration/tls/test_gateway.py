"""TLS at the gateway: a real Envoy before servers that want certificates themselves."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingestor.client.errors import UnavailableError
from ingestor.gateway.settings import GatewaySettings
from ingestor.local.ports import LOOPBACK
from ingestor.local.services import SERVICES
from ingestor.local.tls.ca import Leaf, LocalCa
from tests.gateway import METHOD, Gateway, gateway
from tests.handshakes import certificate, handshake, wait_for_certificate

NAMES = [*SERVICES, "gateway"]


def settings(folder: Path, shown: Leaf, own: Leaf) -> GatewaySettings:
    return GatewaySettings(
        auth="local",
        gateway_tls_cert=str(shown.certificate),
        gateway_tls_key=str(shown.key),
        tls_cert=str(own.certificate),
        tls_key=str(own.key),
        tls_ca=str(own.ca),
        gateway_sds_dir=str(folder / "sds"),
    )


class Running:
    """A gateway, and the CA of everything around it."""

    def __init__(self, ca: LocalCa, running: Gateway) -> None:
        self.ca = ca
        self.shown = ca.leaf("gateway", local=True)
        self.running = running

    def get(self, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        """The answer to a request of a browser; its body is not read."""
        context = ssl.create_default_context(cafile=self.ca.certificate)
        with closing(
            http.client.HTTPSConnection(LOOPBACK, self.running.port, context=context, timeout=20)
        ) as to:
            to.request(
                method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
            )
            return to.getresponse()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("gateway")
    ca = LocalCa(folder / "ca", NAMES)
    shown = ca.leaf("gateway", local=True)
    services = ca.leaf("status")
    ca.issue("status", names=SERVICES)  # all services in one
    with gateway(folder / "envoy", settings(folder, shown, shown), services) as running:
        yield Running(ca, running)


async def test_a_call_goes_through_by_tls_on_both_sides(tls: Running) -> None:
    before = len(tls.running.upstream.calls)
    await tls.running.call()
    assert len(tls.running.upstream.calls) == before + 1


def test_a_plain_call_is_refused(tls: Running) -> None:
    with closing(http.client.HTTPConnection(LOOPBACK, tls.running.port, timeout=20)) as connection:
        connection.request("GET", "/")
        with pytest.raises((http.client.HTTPException, OSError)):
            connection.getresponse()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_of_tls_are_refused(tls: Running, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        handshake(tls.running.port, version)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_current_versions_of_tls_are_taken(tls: Running, version: ssl.TLSVersion) -> None:
    assert handshake(tls.running.port, version) == certificate(tls.shown.certificate)


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_both_versions_of_http_are_offered(tls: Running, protocol: str) -> None:
    context = ssl.create_default_context(cafile=tls.ca.certificate)
    context.set_alpn_protocols([protocol])
    with (
        socket.create_connection((LOOPBACK, tls.running.port), timeout=20) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.selected_alpn_protocol() == protocol


@pytest.mark.parametrize(
    ("path", "status", "headers"),
    [
        ("/", 404, {}),  # there is no page
        ("/ingestor.internal.v1.LedgerService/RecordOutcomes", 404, {}),
        ("/ingestor.v1.StatusService/GetProcess", 415, {}),
        ("/", 403, {"host": "elsewhere.example"}),
    ],
)
def test_every_response_wants_the_browser_to_come_back_by_tls(
    tls: Running, path: str, status: int, headers: dict[str, str]
) -> None:
    answer = tls.get(path, **headers)
    assert answer.getheader("strict-transport-security") == "max-age=31536000"
    if path != "/ingestor.v1.StatusService/GetProcess":  # what a server of gRPC says to a browser varies
        assert answer.status == status


def test_a_renewed_certificate_is_shown_without_a_restart(tls: Running) -> None:
    before = handshake(tls.running.port)
    tls.ca.issue("gateway")
    assert certificate(tls.shown.certificate) != before
    wait_for_certificate(tls.running.port, tls.shown.certificate)


def test_a_renewal_that_is_half_done_changes_nothing(tls: Running) -> None:
    """The new key is there, its certificate is not yet."""
    wait_for_certificate(tls.running.port, tls.shown.certificate)
    before = handshake(tls.running.port)
    former = tls.shown.certificate.read_bytes()
    tls.ca.issue("gateway")
    renewed, after = tls.shown.certificate.read_bytes(), certificate(tls.shown.certificate)
    replace(tls.shown.certificate, former)
    # Envoy may have seen the whole pair before its certificate was put back.
    assert handshake(tls.running.port) in (before, after)
    replace(tls.shown.certificate, renewed)
    wait_for_certificate(tls.running.port, tls.shown.certificate)


def test_a_mounted_secret_is_renewed_as_kubernetes_does_it(tmp_path: Path) -> None:
    """The files are links into a folder that another one takes the place of; they themselves never change."""
    ca = LocalCa(tmp_path / "ca", NAMES)
    leaf = ca.leaf("gateway", local=True)
    services = ca.leaf("status")
    ca.issue("status", names=SERVICES)
    mounted = mount(tmp_path / "secret", leaf, "first")
    with gateway(tmp_path / "envoy", settings(tmp_path, mounted, mounted), services) as running:
        assert handshake(running.port) == certificate(leaf.certificate)
        ca.issue("gateway")
        mount(tmp_path / "secret", leaf, "second")
        wait_for_certificate(running.port, leaf.certificate)


def mount(folder: Path, leaf: Leaf, version: str) -> Leaf:
    """Make this version of a secret the current one in a folder."""
    (folder / version).mkdir(parents=True)
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (folder / version / name).write_bytes((leaf.certificate.parent / name).read_bytes())
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").rename(folder / "..data")
    return Leaf(folder / "tls.crt", folder / "tls.key", folder / "ca.crt")


async def test_a_server_gets_no_calls_of_a_service_that_its_certificate_does_not_name(tls: Running) -> None:
    upload = "/ingestor.v1.UploadService/GetUpload"
    await tls.running.call(path=upload)
    tls.running.upstream.stop()
    tls.ca.issue("status", names=["status"])
    tls.running.upstream.start()
    await answered(tls.running)
    assert (await tls.running.refusal(path=upload))[0] == "UNAVAILABLE"
    tls.running.upstream.stop()
    tls.ca.issue("status", names=SERVICES)
    tls.running.upstream.start()
    await answered(tls.running)
    await answered(tls.running, upload)


async def answered(running: Gateway, path: str = METHOD, seconds: float = 30) -> None:
    """Call until there is an answer."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await running.call(path=path)
            except UnavailableError:
                await asyncio.sleep(0.1)  # between two looks
            else:
                return


def replace(path: Path, content: bytes) -> None:
    part = path.with_suffix(".new")
    part.write_bytes(content)
    part.replace(path)
