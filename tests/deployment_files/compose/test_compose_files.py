"""deploy/compose as files: its schema, rights, what is mounted, what the profile observability connects."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from opentelemetry.sdk.trace import TracerProvider

from ingestor.runtime.observability import spans
from tests.deployment_files.compose.program import compose_command, compose_environment

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deploy" / "compose"
OBSERVABILITY = ROOT / "deploy" / "observability"
ENV_FILE = COMPOSE / "observability.env"
Service = dict[str, Any]
SERVICES: dict[str, Service] = yaml.safe_load((COMPOSE / "compose.yaml").read_text("utf-8"))["services"]
JOBS = {"provision", "migrate", "queues", "check"}
MEASURED = (
    set(SERVICES) - JOBS - {"web", "postgres", "emulator", "prometheus", "alertmanager", "jaeger", "grafana"}
)
OF_PROFILE = {name for name, service in SERVICES.items() if "observability" in service.get("profiles", ())}
# The programs with which images that are not the suite's can check themselves: what is in each of them.
PROGRAMS = {
    "postgres": "pg_isready",
    "prometheus": "promtool",
    "alertmanager": "amtool",
    "jaeger": "wget",
    "grafana": "wget",
}


def resolved(*options: str | Path) -> dict[str, Service]:
    """The services as compose understands them; skips without compose."""
    done = subprocess.run(
        [*compose_command(), "-f", COMPOSE / "compose.yaml", *options, "config"],
        capture_output=True, text=True, check=False, env=compose_environment(), timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Service] = yaml.safe_load(done.stdout)["services"]
    return found


def mounts(service: Service) -> dict[str, Path]:
    """Path in the container -> file or folder of this checkout."""
    pairs = [text.split(":") for text in service.get("volumes", ())]
    return {to[0]: (COMPOSE / source).resolve() for source, *to in pairs if source.startswith(".")}


def share_a_network(*names: str) -> bool:
    """Whether services see each other."""
    return bool(set.intersection(*(set(SERVICES[name]["networks"]) for name in names)))


def exemplar_labels() -> set[str]:
    """Of the measurements of services."""
    spans.use(TracerProvider())
    try:
        with spans.root("measured"):
            return set(spans.exemplar() or ())
    finally:
        spans.use(None)


def environment(name: str, services: dict[str, Service]) -> dict[str, str | None]:
    """The variables of a service."""
    found: dict[str, str | None] = services[name].get("environment") or {}
    return found


def test_compose_accepts_it_and_traces_are_off() -> None:
    services = resolved()
    for name in MEASURED:
        assert not environment(name, services)["OTEL_EXPORTER_OTLP_ENDPOINT"], name


def test_with_the_env_file_traces_go_to_jaeger() -> None:
    services = resolved("--env-file", ENV_FILE)
    # Older programs tell of services of other profiles, too.
    assert set(services) | {"check"} == set(SERVICES)
    assert {
        "upload", "converter", "orchestrator", "processor-worker", "processor-api", "status", "gateway"
    } == MEASURED  # fmt: skip
    for name in MEASURED:
        url = urlsplit(environment(name, services)["OTEL_EXPORTER_OTLP_ENDPOINT"] or "")
        assert (url.scheme, url.hostname, url.port) == ("http", "jaeger", 4317), name
        assert share_a_network(name, "jaeger"), name


def test_a_wrong_key_is_found(tmp_path: Path) -> None:
    resolved()
    (tmp_path / "wrong.yaml").write_text("services: { grafana: { readonly: true } }")
    with pytest.raises(AssertionError, match="readonly"):
        resolved("-f", tmp_path / "wrong.yaml")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_few_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] and service["mem_limit"] and service["logging"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service)
    assert re.match("ingestor-", service["image"]) or int(service["user"].split(":")[0]) > 0
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:${"), port
        assert "outside" in service["networks"]
    for text in service.get("volumes", ()):
        assert not text.startswith(".") or text.endswith(":ro"), text
        assert "docker.sock" not in text
    if name in JOBS:
        return
    kind, program, *_ = service["healthcheck"]["test"]
    assert kind == "CMD"
    assert program == PROGRAMS.get(name, "python")


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists(name: str) -> None:
    for target, source in mounts(SERVICES[name]).items():
        assert source.exists(), source
        assert bool(source.suffix) == bool(Path(target).suffix), target  # a file to a file
        assert not source.is_dir() or any(source.iterdir()), source


def test_prometheus_asks_whom_there_is() -> None:
    files = mounts(SERVICES["prometheus"])
    (option,) = (text for text in SERVICES["prometheus"]["command"] if text.startswith("--config.file="))
    config = yaml.safe_load(files[option.partition("=")[2]].read_text("utf-8"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    (found,) = jobs["ingestor"]["dns_sd_configs"]
    assert set(found["names"]) == MEASURED
    assert found["port"] == 9090
    for name in found["names"]:
        assert share_a_network("prometheus", name), name
    (managers,) = config["alerting"]["alertmanagers"]
    assert managers == {"static_configs": jobs["alertmanager"]["static_configs"]}
    assert managers["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    assert share_a_network("prometheus", "alertmanager")
    (rules,) = config["rule_files"]
    assert list(files[str(Path(rules).parent)].glob(Path(rules).name))


def test_grafana_has_its_dashboards() -> None:
    files = mounts(SERVICES["grafana"])
    provisioning = files["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "ingestor.yaml").read_text("utf-8"))[
        "providers"
    ]
    boards = files[provider["options"]["path"]]
    assert boards == OBSERVABILITY / "grafana" / "dashboards"
    assert len(list(boards.glob("*.json"))) >= 6


def test_grafana_finds_its_data() -> None:
    provisioning = mounts(SERVICES["grafana"])["/etc/grafana/provisioning"]
    (file,) = (provisioning / "datasources").iterdir()
    sources = {one["type"]: one for one in yaml.safe_load(file.read_text("utf-8"))["datasources"]}
    assert set(sources) == {"prometheus", "jaeger"}
    for kind, source in sources.items():
        url = urlsplit(source["url"])
        assert (url.scheme, url.hostname) == ("http", kind)
        assert share_a_network("grafana", kind)
        (port,) = SERVICES[kind]["ports"]
        assert port.endswith(f":{url.port}"), kind
        assert source["access"] == "proxy"
    (exemplars,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplars["name"] in exemplar_labels()
    assert set(re.findall(r"(?<!\$)\$\{(\w+)\}", file.read_text("utf-8"))) <= set(
        SERVICES["grafana"]["environment"]
    )
    assert "--enable-feature=exemplar-storage" in SERVICES["prometheus"]["command"]


def test_grafana_only_shows() -> None:
    given = resolved()["grafana"]["environment"]
    for name, value in {
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_AUTH_BASIC_ENABLED": "false",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
        "GF_SERVER_DOMAIN": "localhost",
        "GF_SERVER_ENFORCE_DOMAIN": "true",
    }.items():
        assert given[name] == value, name
    # It has no way to what has no sign-in.
    assert SERVICES["grafana"]["networks"] == SERVICES["alertmanager"]["networks"] == ["outside"]
    assert not [name for name in MEASURED - {"gateway"} if share_a_network("grafana", name)]


def test_the_profile_is_what_the_env_file_asks_for() -> None:
    lines = [line for line in ENV_FILE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert dict(line.split("=") for line in lines)["COMPOSE_PROFILES"] == "observability"
    assert {"prometheus", "alertmanager", "jaeger", "grafana"} == OF_PROFILE
