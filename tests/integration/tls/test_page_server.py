"""The page server with TLS: a process of its own, as the suite on one machine runs it."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingestor.local.ports import LOOPBACK, free_port
from ingestor.local.tls.ca import Leaf, LocalCa
from ingestor.local.web import WebProcess
from tests.e2e.page.built_page import write_page
from tests.handshakes import wait_for_certificate


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> LocalCa:
    return LocalCa(tmp_path_factory.mktemp("ca"), ["web", "gateway", "operator"])


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, ca: LocalCa) -> Iterator[int]:
    """Of a running server."""
    folder = tmp_path_factory.mktemp("web")
    port = free_port()
    web = WebProcess(
        write_page(folder), f"{LOOPBACK}:{port}", folder / "web.log", {"INGESTOR_AUTH": "local"},
        tls=ca.leaf("web", local=True), operator=ca.leaf("operator"),
    )  # fmt: skip
    web.start()
    try:
        web.wait()
        yield port
    finally:
        web.stop()


def get(port: int, ca: LocalCa, own: Leaf | None) -> int:
    """The status of the page."""
    context = ssl.create_default_context(cafile=ca.certificate)
    if own:
        context.load_cert_chain(own.certificate, own.key)
    with closing(http.client.HTTPSConnection(LOOPBACK, port, context=context, timeout=20)) as connection:
        connection.request("GET", "/")
        return connection.getresponse().status


def test_the_gateway_gets_the_page(port: int, ca: LocalCa) -> None:
    assert get(port, ca, ca.leaf("gateway")) == 200


def test_who_has_no_certificate_gets_nothing(port: int, ca: LocalCa, tmp_path: Path) -> None:
    stranger = LocalCa(tmp_path, ["gateway"]).leaf("gateway")
    for own in (None, stranger):
        with pytest.raises((OSError, http.client.HTTPException)):
            get(port, ca, own)
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=20)) as connection:
        connection.request("GET", "/")
        with pytest.raises((OSError, http.client.HTTPException)):
            connection.getresponse()


def test_a_renewed_certificate_is_shown_without_a_restart(port: int, ca: LocalCa) -> None:
    own = ca.leaf("gateway")
    ca.issue("web")
    wait_for_certificate(port, ca.leaf("web", local=True).certificate, own)
    assert get(port, ca, own) == 200
