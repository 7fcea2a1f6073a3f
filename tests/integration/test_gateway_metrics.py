"""The gateway's listener for Prometheus and probes: a real Envoy."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from ingestor.gateway.settings import GatewaySettings
from tests.gateway import Gateway, gateway


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway") / "data", GatewaySettings(auth="local")) as found:
        yield found


def ask(of: Gateway, path: str, method: str = "GET") -> tuple[int, str]:
    """Status and body of an answer of the listener."""
    with closing(http.client.HTTPConnection(urlsplit(of.metrics).netloc, timeout=20)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


async def test_metrics_count_calls(running: Gateway) -> None:
    counted = 'envoy_cluster_upstream_rq_completed{envoy_cluster_name="status"}'
    before = _value(ask(running, "/metrics")[1], counted)
    await running.call()
    assert _value(ask(running, "/metrics")[1], counted) == before + 1


def _value(text: str, series: str) -> int:
    return sum(int(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{series} "))


def test_probes(running: Gateway) -> None:
    assert ask(running, "/readyz") == (200, "LIVE\n")
    assert ask(running, "/livez")[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/quitquitquit", "/config_dump", "/stats", "/metrics/../config_dump", "/metrics/", "/server_info"],
)
def test_nothing_else_of_the_admin_interface_is_there(running: Gateway, path: str) -> None:
    assert ask(running, path)[0] == 404
    assert ask(running, path, "POST")[0] == 404


def test_pages_are_only_read(running: Gateway) -> None:
    assert ask(running, "/metrics", "POST")[0] == 404


def test_the_gateway_of_users_has_no_metrics(running: Gateway) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)) as connection:
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 404
