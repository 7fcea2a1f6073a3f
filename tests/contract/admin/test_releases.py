"""`ingestor admin check` asks running services which release they are."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, Info

from ingestor.local.ports import LOOPBACK, free_port
from ingestor.runtime.observability.http import serve_http
from ingestor.runtime.observability.metrics import new_registry
from ingestor.runtime.release import this_release
from tests.contract.admin.conftest import Place

THIS = this_release().version


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def ready(place: Place) -> Place:
    place.run("queues")
    return place


def instance(stack: ExitStack, release: str = "", host: str = LOOPBACK, port: int = 0) -> str:
    """The address of the metrics of a service."""
    registry = CollectorRegistry() if release else new_registry()
    if release:
        Info("ingestor_build", "The release that runs.", registry=registry).info({"version": release})
    port = port or free_port()
    stack.enter_context(serve_http(registry, f"{host}:{port}", {}))
    return f"{host}:{port}"


def services(place: Place, *addresses: str, status: int) -> dict[str, str]:
    """The line about them."""
    place.env["INGESTOR_METRICS_ADDRESSES"] = " ".join(addresses)
    return place.check(status=status)["running services"]


def test_all_are_this_release(ready: Place, stack: ExitStack) -> None:
    one, other = instance(stack), instance(stack)
    line = services(ready, one, other, status=0)
    assert line["detail"] == f"{one} {THIS}, {other} {THIS}"


def test_none_is_named(ready: Place) -> None:
    assert "--service" in services(ready, status=0)["detail"]


def test_another_release_runs(ready: Place, stack: ExitStack) -> None:
    one, other = instance(stack), instance(stack, "0.0.9")
    line = services(ready, one, other, status=1)
    assert line["problem"] == f"{one} {THIS}, {other} 0.0.9"
    assert line["todo"] == "bring all to one release, or check with the release that runs"


def test_every_instance_behind_a_name_is_asked(
    ready: Place, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = socket.getaddrinfo
    instances = ("127.0.0.1", "127.0.0.2", "127.0.0.3")

    def resolve(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host != "headless":
            return found(host, port, *arguments, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (each, port)) for each in instances]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    port = free_port()
    for host, release in zip(instances, ("", "0.0.9", "0.0.9"), strict=True):
        instance(stack, release, host, port)
    line = services(ready, f"headless:{port}", status=1)
    assert line["problem"] == f"headless:{port} 0.0.9 (2 times) and {THIS}"


def test_what_does_not_answer(ready: Place, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestor.provisioning.checks.releases._SECONDS", 1.0)
    silent = stack.enter_context(socket.create_server((LOOPBACK, 0)))
    good = instance(stack)
    closed, hangs = f"{LOOPBACK}:{free_port()}", f"{LOOPBACK}:{silent.getsockname()[1]}"
    no_metrics = urlsplit(ready.env["INGESTOR_AWS_ENDPOINT_URL"]).netloc
    line = services(ready, good, closed, hangs, "no-such-host.invalid:9090", no_metrics, status=1)
    answers = line["problem"].split(", ")
    assert answers[0] == f"{good} {THIS}"
    for answer, reason in zip(
        answers[1:],
        ("refused", "nothing for 1 s", "no answer (", "do not say ingestor_build_info"),
        strict=True,
    ):
        assert "no answer" in answer and reason in answer
    assert line["todo"] == "start what does not answer, or let this machine reach its metrics"


def test_an_address_that_is_none(ready: Place) -> None:
    done = ready.run("check", "--service", "status", status=2)
    assert "'status' is not host:port" in done.output
