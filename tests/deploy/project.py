"""The suite of deploy/compose, up in a project of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingestor import Client
from ingestor.local.ports import free_port
from tests.deploy.conftest import ROOT, TAG, Engine
from tests.deployment_files.compose.program import compose_command, compose_environment

COMPOSE = ROOT / "deploy" / "compose"
SAMPLE = ROOT / "examples" / "sample"
EXPECTED = {"read": 1000, "succeeded": 979, "failed": 20, "skipped": 1, "unprocessed": 0}
JOBS = {"provision", "migrate", "queues"}
ROLES = {
    "upload", "converter", "orchestrator", "processor-worker", "processor-api", "status", "web", "gateway",
    "postgres", "emulator",
}  # fmt: skip
_PUBLISHED = {
    "gateway": ("INGESTOR_GATEWAY_PORT", 8080),
    "prometheus": ("PROMETHEUS_PORT", 9090),
    "alertmanager": ("ALERTMANAGER_PORT", 9093),
    "jaeger": ("JAEGER_PORT", 16686),
    "grafana": ("GRAFANA_PORT", 3000),
}
_SECONDS = 900  # for everything to start, on a machine that has other work too


class Project:
    """The suite of deploy/compose. Its published ports are free ones of this machine."""

    def __init__(self, engine: Engine, folder: Path, *options: str | Path) -> None:
        self.engine = engine
        self.options = options
        self.ports = {service: free_port() for service in _PUBLISHED}
        secrets = folder / "secrets"
        subprocess.run([COMPOSE / "secrets.sh", secrets], check=True, capture_output=True)
        self._environment = {
            **compose_environment(),
            **{variable: str(self.ports[service]) for service, (variable, _) in _PUBLISHED.items()},
            "COMPOSE_PROJECT_NAME": f"ingestor-test-{os.getpid()}-{self.ports['gateway']}",
            "COMPOSE_HTTP_TIMEOUT": "600",
            "SECRETS": str(secrets),
            "TAG": TAG,
        }

    def compose(self, *arguments: str) -> str:
        """What compose prints; it must succeed."""
        done = self._run(*arguments)
        assert done.returncode == 0, f"compose {arguments}: {done.stderr[-3000:]}\n{self._logs()}"
        return done.stdout

    def up(self) -> None:
        """Start it; returns when every container is healthy. compose gives up where a service takes long, as
        on a machine that has other work; then it is asked again."""
        until = time.monotonic() + _SECONDS
        while (failed := self._run("up", "-d")).returncode != 0:
            assert time.monotonic() < until, f"{failed.stderr[-3000:]}\n{self._logs()}"
        while ill := {name: state for name, state in self._health().items() if state != "healthy"}:
            assert time.monotonic() < until, f"not healthy: {ill}\n{self._logs()}"
            time.sleep(0.5)  # between two looks

    def down(self, *options: str) -> None:
        """End it."""
        self.compose("down", "--timeout", "40", *options)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Name of a service -> its container."""
        names = self.compose("ps", "-q", "--all").split()
        found = (self.engine.inspect(name) for name in names)
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def has_few_rights(self, name: str, container: Mapping[str, Any]) -> None:
        """Fails where a container has more rights than it needs, or runs as anybody in particular."""
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0 and host["PidsLimit"] > 0, name
        assert not host["Privileged"], name
        assert container["Config"]["User"].split(":")[0] in {"10001", "999", "65534", "472"}, name
        published = {p: b for p, b in (container["NetworkSettings"]["Ports"] or {}).items() if b}
        wanted = {}
        if name in _PUBLISHED:
            own = str(self.ports[name])
            wanted = {f"{_PUBLISHED[name][1]}/tcp": [{"HostIp": "127.0.0.1", "HostPort": own}]}
        assert published == wanted, name
        # Passwords are files, not settings that `docker inspect` shows.
        assert not [text for text in container["Config"]["Env"] if "PASSWORD=" in text or "KEYS=" in text]

    def client(self) -> Client:
        """A client of its gateway."""
        return Client(f"localhost:{self.ports['gateway']}")

    def ingest(self, file: Path = SAMPLE / "customers.csv") -> tuple[str, Mapping[str, int]]:
        """Ingest the sample: the process, and its counts."""
        with self.client() as client:
            process = client.ingest(file, pipeline=SAMPLE / "customers.pipeline.json").wait(timeout=300)
            return process.id, {name: getattr(process.counts, name) for name in EXPECTED}

    def _health(self) -> dict[str, str]:
        """How each service is that should be running."""
        return {
            name: one["State"].get("Health", {}).get("Status", "without a check")
            for name, one in self.containers().items()
            if name not in JOBS
        }

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*compose_command(), "-f", COMPOSE / "compose.yaml", *self.options, *arguments],
            env=self._environment, capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip

    def _logs(self) -> str:
        return self._run("logs", "--tail", "15").stdout[-6000:]


@contextmanager
def running(
    engine: Engine, folder: Path, *options: str | Path, images: Mapping[str, str]
) -> Iterator[Project]:
    """The suite until the context ends, then gone with its data. `options` are compose's; `images` are those
    of others, with the set of deploy/images/base.sh that makes each."""
    for image, made_by in images.items():
        if engine.run("image", "inspect", image, check=False).returncode != 0:
            pytest.skip(f"there is no image {image}; deploy/images/base.sh {made_by} makes it")
    project = Project(engine, folder, *options)
    try:
        project.up()
        yield project
    finally:
        project.down("--volumes")
