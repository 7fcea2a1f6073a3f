"""deploy/compose for real: the suite comes up, ingests the sample, and keeps its data over a restart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ingestor import Client
from ingestor.local.ports import free_port
from tests.deploy.conftest import ROOT, TAG, Engine

COMPOSE = ROOT / "deploy" / "compose"
SAMPLE = ROOT / "examples" / "sample"
EXPECTED = {"read": 1000, "succeeded": 979, "failed": 20, "skipped": 1, "unprocessed": 0}
JOBS = {"provision", "migrate", "queues"}
ROLES = {
    "upload", "converter", "orchestrator", "processor-worker", "processor-api", "status", "web", "gateway",
    "postgres", "emulator",
}  # fmt: skip


class Project:
    """The suite of deploy/compose on a port of its own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.port = free_port()
        secrets = folder / "secrets"
        subprocess.run([COMPOSE / "secrets.sh", secrets], check=True, capture_output=True)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("INGESTOR_")},
            "COMPOSE_PROJECT_NAME": f"ingestor-test-{os.getpid()}",
            "INGESTOR_GATEWAY_PORT": str(self.port),
            "SECRETS": str(secrets),
            "TAG": TAG,
        }

    def compose(self, *arguments: str, check: bool = True) -> str:
        """What compose prints."""
        done = subprocess.run(
            [*command(), "-f", COMPOSE / "compose.yaml", *arguments],
            env=self._environment, capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
        if check and done.returncode != 0:
            logs = self.compose("logs", "--tail", "15", check=False)
            raise AssertionError(f"compose {arguments}: {done.stderr[-3000:]}\n{logs[-6000:]}")
        return done.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """Name of a service -> its container."""
        names = self.compose("ps", "-q", "--all").split()
        found = (self.engine.inspect(name) for name in names)
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def ingest(self) -> tuple[str, Mapping[str, int]]:
        """Ingest the sample: the process, and its counts."""
        with Client(f"localhost:{self.port}") as client:
            process = client.ingest(
                SAMPLE / "customers.csv", pipeline=SAMPLE / "customers.pipeline.json"
            ).wait(timeout=120)
            return process.id, {name: getattr(process.counts, name) for name in EXPECTED}


def command() -> list[str]:
    """The compose of this machine; skips without one."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("neither `docker compose` nor docker-compose is installed")


@pytest.fixture(scope="module")
def project(
    engine: Engine, images: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The suite, up."""
    made = Project(engine, tmp_path_factory.mktemp("compose"))
    if engine.run("image", "inspect", "postgres:17-bookworm", check=False).returncode != 0:
        pytest.skip("there is no image postgres:17-bookworm; deploy/images/base.sh compose makes it")
    try:
        made.compose("up", "-d")
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "40", check=False)


def test_the_sample_has_its_counts(project: Project) -> None:
    _, counts = project.ingest()
    assert counts == EXPECTED


def test_the_page_and_whom_it_answers(project: Project) -> None:
    with urllib.request.urlopen(f"http://localhost:{project.port}/", timeout=10) as answer:
        assert b"<!doctype html>" in answer.read().lower()
    with urllib.request.urlopen(f"http://localhost:{project.port}/config.json", timeout=10) as answer:
        assert json.load(answer) == {"auth": "local"}
    # A page of elsewhere whose name points to this machine is refused.
    other = urllib.request.Request(f"http://localhost:{project.port}/", headers={"host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(other, timeout=10)


def test_every_container_has_few_rights(project: Project) -> None:
    found = project.containers()
    assert set(found) == ROLES | JOBS
    for name, one in found.items():
        host = one["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0 and host["PidsLimit"] > 0, name
        assert not host["Privileged"], name
        assert one["Config"]["User"].split(":")[0] in {"10001", "999"}, name
        assert one["State"]["ExitCode"] == 0, name
        assert one["State"]["Running"] == (name not in JOBS), name
        published = {p: b for p, b in (one["NetworkSettings"]["Ports"] or {}).items() if b}
        wanted = {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(project.port)}]}
        assert published == (wanted if name == "gateway" else {}), name
        # Passwords are files, not settings that `docker inspect` shows.
        assert not [text for text in one["Config"]["Env"] if "PASSWORD=" in text or "KEYS=" in text], name


def test_what_was_loaded_survives(project: Project) -> None:
    process, counts = project.ingest()
    project.compose("down", "--timeout", "40")
    project.compose("up", "-d")
    with Client(f"localhost:{project.port}") as client:
        found = client.process(process)
        assert {name: getattr(found.counts, name) for name in counts} == counts
    assert project.ingest()[1]["read"] == EXPECTED["read"]
