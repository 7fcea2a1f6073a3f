"""`ingestor up --tls`: nothing is on the wire without TLS, and the suite does what it does without."""

from __future__ import annotations

import shlex
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import grpc
import psutil
import pytest

from ingestor import AsyncClient
from ingestor.client.errors import UnavailableError
from ingestor.local.services import CONVERTER, SERVICES
from ingestor.local.tls.ca import LocalCa
from tests.e2e.conftest import INGESTOR, Suite, ingestor, running, wait_until
from tests.e2e.page.built_page import INDEX, write_page
from tests.e2e.tables import write_pipeline, write_readings
from tests.handshakes import wait_for_certificate


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A suite with a page, and with its files in S3, by TLS too."""
    env = {
        "INGESTOR_FILE_STORE": "s3",
        "INGESTOR_PAGE_DIR": str(write_page(tmp_path_factory.mktemp("built"))),
    }
    with running(tmp_path_factory.mktemp("tls"), "--tls", **env) as started:
        yield started


@pytest.fixture(scope="module")
def ca(tls: Suite) -> LocalCa:
    """The suite's own."""
    return LocalCa(tls.data / "tls", [])


async def test_a_file_is_loaded(tls: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "by_tls")
    answer = tls.ingest(write_readings(tmp_path / "r.csv", 20_000), "--pipeline", str(pipeline))
    assert answer["state"] == "COMPLETED"
    assert await tls.fetch("SELECT count(*) FROM by_tls") == [(20_000,)]


def test_files_are_converted_by_a_process_that_has_no_database(tls: Suite, tmp_path: Path) -> None:
    source = tmp_path / "r.jsonl"
    source.write_text("".join(f'{{"id": {number}}}\n' for number in range(500)), "utf-8")
    done = tls.ingest(source)
    assert (done["state"], done["counts"]["succeeded"]) == ("COMPLETED", 500)
    logs = {one: (tls.data / "logs" / f"{one}.log").read_text("utf-8") for one in ("upload", CONVERTER)}
    assert f'"process_id": "{done["process_id"]}"' in logs["upload"]
    assert [one for one, log in logs.items() if '"event": "converted"' in log] == [CONVERTER]
    environment = psutil.Process(tls.pid(CONVERTER)).environ()
    assert "INGESTOR_INTERNAL_KEYS" in environment
    assert not [value for value in environment.values() if "postgresql://" in value]


def test_the_page_is_served(tls: Suite, ca: LocalCa) -> None:
    url = tls.facts["page"]["url"]
    assert url == f"https://{tls.gateway}/"
    context = ssl.create_default_context(cafile=ca.certificate)
    with urllib.request.urlopen(url, context=context, timeout=20) as answer:
        assert answer.read() == INDEX
        assert answer.headers["strict-transport-security"]


def test_env_says_all_that_a_command_elsewhere_needs(tls: Suite, tmp_path: Path) -> None:
    lines = tls.run("env", "--secrets").stdout.splitlines()
    variables = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    assert variables["INGESTOR_ADDRESS"] == f"https://{tls.gateway}"
    assert Path(variables["INGESTOR_CA"]).is_file()
    assert variables["INGESTOR_AWS_ENDPOINT_URL"].startswith("https://")
    assert Path(variables["INGESTOR_AWS_CA"]).is_file()
    query = parse_qs(urlsplit(variables["INGESTOR_DATABASE_URL"]).query)
    assert query["sslmode"] == ["verify-full"]
    assert Path(query["sslrootcert"][0]).is_file()
    done = ingestor("processes", "--json", data=tmp_path / "nothing", env=variables)
    assert '"processes"' in done.stdout


async def test_the_client_works_with_the_ca_and_not_without(tls: Suite, ca: LocalCa) -> None:
    async with AsyncClient(f"https://{tls.gateway}", ca=ca.certificate) as client:
        assert await client.queues()
    async with AsyncClient(f"https://{tls.gateway}") as client:
        with pytest.raises(UnavailableError, match="no CA that is trusted here"):
            await client.queues()


@pytest.mark.parametrize("service", [*SERVICES, CONVERTER])
async def test_no_service_answers_without_a_certificate(tls: Suite, ca: LocalCa, service: str) -> None:
    address = tls.facts["services"][service]["address"]
    known = grpc.ssl_channel_credentials(ca.certificate.read_bytes())
    channels = [
        grpc.aio.insecure_channel(address),
        grpc.aio.secure_channel(address, known, options=[("grpc.ssl_target_name_override", service)]),
    ]
    for channel in channels:
        async with channel:
            check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await check(b"", timeout=20)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_postgresql_takes_nothing_without_tls(tls: Suite) -> None:
    dsn = urlsplit(tls.dsn)._replace(query="sslmode=disable").geturl()
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="TLS"):
        await asyncpg.connect(dsn)


def test_secrets_are_not_for_others(tls: Suite) -> None:
    keys = list((tls.data / "tls").rglob("*.key"))
    assert len(keys) > len(SERVICES)
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_renewed_certificates_are_used_without_a_restart(tls: Suite, ca: LocalCa, tmp_path: Path) -> None:
    services = (*SERVICES, CONVERTER)
    before = {service: tls.pid(service) for service in services}
    ports = {service: _port(tls.facts["services"][service]["address"]) for service in services}
    for name in (*services, "operator"):
        ca.issue(name)
    ca.leaf("gateway", local=True)
    ca.issue("gateway")
    for name, port in {**ports, "gateway": _port(tls.gateway)}.items():
        wait_for_certificate(port, tls.data / "tls" / name / "tls.crt")
    assert tls.ingest(write_readings(tmp_path / "again.csv", 500))["state"] == "COMPLETED"
    assert {service: tls.pid(service) for service in services} == before


def test_a_service_that_is_restarted_is_found_again(tls: Suite, tmp_path: Path) -> None:
    """Its neighbours and the gateway shake hands with it again."""
    former = tls.pid("status")
    psutil.Process(former).kill()
    wait_until(lambda: tls.pid("status") != former, "the restart of status")
    assert tls.ingest(write_readings(tmp_path / "after.csv", 500))["state"] == "COMPLETED"


def test_the_ca_is_kept_and_tls_may_be_left_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    source = write_readings(tmp_path / "r.csv", 500)
    with running(data, "--tls") as first:
        process = first.ingest(source)["process_id"]
        trusted = Path(first.facts["tls"]["ca"]).read_bytes()
    with running(data) as second:
        assert second.facts["tls"] is None
        assert second.json("status", process)["state"] == "COMPLETED"
    with running(data, "--tls") as third:
        assert Path(third.facts["tls"]["ca"]).read_bytes() == trusted
        assert third.json("status", process)["state"] == "COMPLETED"


def test_an_error_of_certificates_is_one_line(tls: Suite) -> None:
    """Not even gRPC's own core says more: a process of its own shows what a terminal would."""
    done = subprocess.run(
        [INGESTOR, "--address", f"https://{tls.gateway}", "processes"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "TLS_FAILED" in done.stderr


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
