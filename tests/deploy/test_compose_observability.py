"""deploy/compose with observability.env: Prometheus finds every role and has the rules, Alertmanager is
connected, spans arrive where compose sends them.

Prometheus and Alertmanager are real. Jaeger and Grafana are not: in the place of Jaeger is a collector that
prints the spans that it is sent, in Grafana's a program that only waits, to look around from there.
"""

from __future__ import annotations

import gzip
import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from tests.deploy.conftest import ROOT, Engine
from tests.deploy.project import COMPOSE, EXPECTED, JOBS, ROLES, SAMPLE, Project, running

T = TypeVar("T")
OBSERVABILITY = ROOT / "deploy" / "observability"
COLLECTOR = ROOT / "tests" / "e2e" / "observability" / "collector.py"
LOOKING = {"prometheus", "alertmanager", "jaeger", "grafana"}
MEASURED = ROLES - {"web", "postgres", "emulator"}
TRACED = ("gateway", "upload", "converter", "orchestrator", "processor", "status")
OTHERS = {
    "postgres:17-bookworm": "compose",
    "prom/prometheus:v3.5.0": "observability",
    "prom/alertmanager:v0.28.1": "observability",
}


def stand_ins(image: str) -> dict[str, Any]:
    """What takes the places of Jaeger and Grafana, with their names, users, networks, files and rights."""
    connects = "import socket; socket.create_connection(('127.0.0.1', 4317), 5)"
    waits = "import signal; signal.sigwait({signal.SIGTERM})"
    jaeger = {
        "image": image,
        "entrypoint": ["python", "/collector.py", "4317"],
        "volumes": [f"{COLLECTOR}:/collector.py:ro"],
        "healthcheck": {"test": ["CMD", "python", "-c", connects]},
    }
    grafana = {
        "image": image,
        "entrypoint": ["python", "-c", waits],
        "healthcheck": {"test": ["CMD", "python", "-c", "pass"]},
    }
    return {"services": {"jaeger": jaeger, "grafana": grafana}}


@pytest.fixture(scope="module")
def project(
    engine: Engine, images: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The suite and what looks at it, up."""
    folder = tmp_path_factory.mktemp("observability")
    override = folder / "stand-ins.yaml"
    override.write_text(yaml.safe_dump(stand_ins(images["upload"])))
    options = ("-f", override, "--env-file", COMPOSE / "observability.env")
    with running(engine, folder, *options, images=OTHERS) as started:
        yield started


def ask(project: Project, service: str, path: str) -> Any:
    """What a program answers at its published port."""
    with urllib.request.urlopen(f"http://localhost:{project.ports[service]}{path}", timeout=30) as answer:
        return json.load(answer)


def wait(look: Callable[[], T], wanted: Callable[[T], bool], seconds: float = 180) -> T:
    """What one sees when it is as wanted, or at last."""
    until = time.monotonic() + seconds
    while not wanted(seen := look()) and time.monotonic() < until:
        time.sleep(0.5)  # between two looks
    return seen


def test_every_container_has_few_rights(project: Project) -> None:
    found = project.containers()
    assert set(found) == ROLES | JOBS | LOOKING
    for name, one in found.items():
        project.has_few_rights(name, one)


def test_every_target_is_up(project: Project) -> None:
    wanted = {("ingestor", role) for role in MEASURED} | {("prometheus", ""), ("alertmanager", "")}

    def targets() -> dict[tuple[str, str], str]:
        found = ask(project, "prometheus", "/api/v1/targets?state=active")["data"]["activeTargets"]
        return {(one["labels"]["job"], one["labels"].get("role", "")): one["health"] for one in found}

    found = wait(targets, lambda seen: set(seen) == wanted and set(seen.values()) == {"up"})
    assert found == dict.fromkeys(wanted, "up")


def test_the_rules_are_loaded(project: Project) -> None:
    wanted = {
        rule.get("alert") or rule["record"]
        for path in (OBSERVABILITY / "alerts").glob("*.yaml")
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    }

    def rules() -> dict[str, str]:
        groups = ask(project, "prometheus", "/api/v1/rules")["data"]["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    found = wait(rules, lambda seen: set(seen.values()) == {"ok"})
    assert found == dict.fromkeys(wanted, "ok")


def test_alertmanager_is_connected(project: Project) -> None:
    wanted = [{"url": "http://alertmanager:9093/api/v2/alerts"}]
    found = wait(
        lambda: ask(project, "prometheus", "/api/v1/alertmanagers")["data"]["activeAlertmanagers"],
        lambda seen: bool(seen),
    )
    assert found == wanted
    shown = ask(project, "alertmanager", "/api/v2/status")["config"]["original"]
    own = yaml.safe_load((OBSERVABILITY / "alertmanager" / "alertmanager.yaml").read_text("utf-8"))
    assert [one["name"] for one in yaml.safe_load(shown)["receivers"]] == [
        one["name"] for one in own["receivers"]
    ]


def test_spans_of_every_service_arrive(project: Project, tmp_path: Path) -> None:
    packed = tmp_path / "customers.csv.gz"  # which the converter has to read
    packed.write_bytes(gzip.compress((SAMPLE / "customers.csv").read_bytes()))
    process, counts = project.ingest(packed)
    assert counts == EXPECTED

    def spans() -> list[dict[str, Any]]:
        container = project.containers()["jaeger"]["Id"]
        return [json.loads(line) for line in project.engine.run("logs", container).stdout.splitlines()]

    def services(found: list[dict[str, Any]]) -> set[str]:
        (trace, *more) = {
            one["trace"] for one in found if one["attributes"].get("ingestor.process_id") == process
        } or {""}
        assert not more
        return {one["service"].removeprefix("ingestor-") for one in found if one["trace"] == trace}

    assert services(wait(spans, lambda seen: services(seen) >= set(TRACED))) == set(TRACED)


def test_exemplars_lead_from_prometheus_to_a_trace(project: Project) -> None:
    query = "/api/v1/query_exemplars?query=ingestor_batch_stage_seconds_bucket&start=0&end=9999999999"
    found = wait(lambda: ask(project, "prometheus", query)["data"], lambda seen: bool(seen))
    labels = {name for series in found for one in series["exemplars"] for name in one["labels"]}
    sources = OBSERVABILITY / "grafana" / "provisioning" / "datasources" / "ingestor.yaml"
    (prometheus, _) = yaml.safe_load(sources.read_text("utf-8"))["datasources"]
    (destination,) = prometheus["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["name"] in labels


def test_what_grafana_finds(project: Project) -> None:
    code = """
import json, os, socket, urllib.request
def names(folder):
    return sorted(name for at, _, found in os.walk(folder) for name in found if open(f"{at}/{name}").read())
def reaches(name):
    try:
        return bool(socket.getaddrinfo(name, 50051))
    except OSError:
        return False
with urllib.request.urlopen("http://prometheus:9090/api/v1/query?query=up", timeout=30) as answer:
    status = json.load(answer)["status"]
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "dashboards": names("/etc/grafana/dashboards"),
    "provisioning": names("/etc/grafana/provisioning"),
    "writable": [d for d in ("/var/lib/grafana", "/tmp", "/etc/grafana/dashboards") if os.access(d, os.W_OK)],
    "prometheus": status,
    "names": [n for n in ("jaeger", "upload", "status", "postgres") if reaches(n)],
}))
"""
    grafana = OBSERVABILITY / "grafana"
    container = project.containers()["grafana"]["Id"]
    found = json.loads(project.engine.run("exec", container, "python", "-c", code).stdout)
    assert found == {
        "user": [472, 0],
        "dashboards": sorted(path.name for path in (grafana / "dashboards").iterdir()),
        "provisioning": sorted(path.name for path in (grafana / "provisioning").glob("*/*")),
        "writable": ["/var/lib/grafana", "/tmp"],
        "prometheus": "success",
        "names": ["jaeger"],  # not what is in the network of the services only
    }
