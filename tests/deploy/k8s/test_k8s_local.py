"""The overlay `local` for real: kustomize builds it, podman plays it, a file goes through it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.conftest import TAG
from tests.deploy.k8s.podman import PODMAN, REPOSITORY, Cluster, PodmanError, container_of
from tests.deploy.k8s.podman_pods import Manifest, Playable
from tests.e2e.conftest import wait_until

DEPLOY = REPOSITORY / "deploy" / "k8s"
SAMPLE = REPOSITORY / "examples" / "sample"
POSTGRES = "postgres:17-bookworm"
BENEATH = ("postgres", "emulator")
SECONDS = 300  # until a pod is ready, or no longer, on the slowest machine
SERVICES = ("status", "orchestrator", "processor", "processor-worker", "converter", "upload", "gateway")


def built() -> list[Manifest]:
    """The overlay, and secrets of this run."""
    overlay = subprocess.run(
        ["kubectl", "kustomize", DEPLOY / "overlays" / "local"], check=True, capture_output=True
    ).stdout
    secrets = subprocess.run([DEPLOY / "secrets.sh"], check=True, capture_output=True).stdout
    return [each for text in (overlay, secrets) for each in yaml.safe_load_all(text) if each]


def wait_until_ready(cluster: Cluster, pods: Iterable[str]) -> None:
    """Until the readiness probe of each is good."""
    for name in pods:
        try:
            wait_until(lambda name=name: cluster.probe(name, "readinessProbe"), f"the pod {name}", SECONDS)  # type: ignore[misc]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{cluster.logs()}") from None


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, images: Mapping[str, str]
) -> Iterator[tuple[Cluster, Playable]]:
    """The suite, with all pods ready."""
    if PODMAN is None:
        pytest.skip("podman is not installed")
    with Cluster(f"k8s-{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("k8s")) as made:
        try:
            made.load([*images.values(), POSTGRES])
        except PodmanError as error:
            pytest.skip(f"an image is missing (deploy/images/base.sh): {error}")
        suite = made.read(built(), tag=TAG)
        made.play(*(suite.pods[name] for name in BENEATH))
        wait_until_ready(made, BENEATH)
        for name in ("provision", "migrate", "queues"):
            made.job(suite.jobs[name])
        made.play(*(suite.pods[name] for name in SERVICES))
        wait_until_ready(made, suite.pods)
        yield made, suite


@pytest.fixture(scope="module")
def key(cluster: tuple[Cluster, Playable]) -> str:
    """An API key of the tenant default."""
    made, suite = cluster
    return made.job(suite.templates["first-key"], tries=1).split()[-1]


def ingestor(cluster: Cluster, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, against the gateway."""
    environment = {
        **os.environ,
        "INGESTOR_ADDRESS": f"{cluster.address('gateway')}:8080",
        "INGESTOR_TOKEN": key,
    }
    return subprocess.run(
        [Path(sys.executable).with_name("ingestor"), "--allow-plaintext-token", *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


def test_a_file_goes_through(cluster: tuple[Cluster, Playable], key: str) -> None:
    made, _ = cluster
    done = ingestor(
        made, key, "ingest", str(SAMPLE / "customers.csv"), "--pipeline",
        str(SAMPLE / "customers.pipeline.json"), "--json",
    )  # fmt: skip
    assert done.returncode == 3, done.stdout + done.stderr + made.logs()  # some rows are bad on purpose
    counts: dict[str, Any] = json.loads(done.stdout)["counts"]
    assert {name: int(count) for name, count in counts.items() if int(count)} == {
        "read": 1000, "succeeded": 979, "failed": 20, "skipped": 1,
    }  # fmt: skip


def test_a_workbook_goes_through_the_converter(
    cluster: tuple[Cluster, Playable], key: str, tmp_path: Path
) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet: Any = book.active
    for row in [("a", "b"), (1, "x"), (2, "y")]:
        sheet.append(row)
    book.save(tmp_path / "two.xlsx")
    made, _ = cluster
    done = ingestor(made, key, "ingest", str(tmp_path / "two.xlsx"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr + made.logs()
    assert int(json.loads(done.stdout)["counts"]["succeeded"]) == 2


def test_without_a_key_nobody_calls(cluster: tuple[Cluster, Playable]) -> None:
    done = ingestor(cluster[0], "", "processes")
    assert done.returncode == 1
    assert "UNAUTHENTICATED" in done.stderr or "sign in" in done.stderr.lower(), done.stderr


def test_what_is_wrong_is_nothing(cluster: tuple[Cluster, Playable]) -> None:
    made, suite = cluster
    output = made.job(suite.templates["check"], tries=1)
    assert "PROBLEM" not in output
    (running,) = (line for line in output.splitlines() if line.startswith("ok       running services"))
    for role in ("upload", "converter", "orchestrator", "processor-worker", "processor", "status"):
        assert f" {role}:9090 " in running


@pytest.mark.parametrize("kind", ["startupProbe", "livenessProbe"])
def test_probes_find_every_pod_alive(cluster: tuple[Cluster, Playable], kind: str) -> None:
    made, suite = cluster
    assert [name for name in suite.pods if not made.probe(name, kind)] == []


def test_containers_have_no_rights(cluster: tuple[Cluster, Playable]) -> None:
    made, suite = cluster
    for pod in suite.pods.values():
        (found,) = json.loads(made.podman("inspect", container_of(pod)))
        assert found["HostConfig"]["ReadonlyRootfs"], container_of(pod)
        assert found["EffectiveCaps"] in (None, []), container_of(pod)
        assert "no-new-privileges" in found["HostConfig"]["SecurityOpt"], container_of(pod)
        assert found["Config"]["User"].partition(":")[0] not in ("", "0", "root"), container_of(pod)
        assert found["HostConfig"]["Memory"] > 0, container_of(pod)


def test_a_dead_database_makes_services_unready_and_leaves_them_alive(
    cluster: tuple[Cluster, Playable],
) -> None:
    made, suite = cluster
    made.podman("stop", "--time", "0", container_of(suite.pods["postgres"]))
    try:
        wait_until(lambda: not made.probe("status", "readinessProbe"), "an unready status service", SECONDS)
        assert made.probe("status", "livenessProbe")
    finally:
        made.podman("start", container_of(suite.pods["postgres"]))
    wait_until_ready(made, suite.pods)


def test_a_gateway_that_is_to_stop_is_unready_and_answers_until_it_has_drained(
    cluster: tuple[Cluster, Playable], key: str
) -> None:
    made, suite = cluster
    with ThreadPoolExecutor() as pool:
        draining = pool.submit(made.pre_stop, "gateway", INGESTOR_LAME_DUCK_SECONDS="10")
        wait_until(
            lambda: draining.done() or not made.probe("gateway", "readinessProbe"),
            "an unready gateway", SECONDS,
        )  # fmt: skip
        assert not draining.done(), draining.result()
        assert made.probe("gateway", "livenessProbe")
        done = ingestor(made, key, "processes")
        assert done.returncode == 0, done.stderr
        draining.result()
    assert not made.probe("gateway", "readinessProbe")
    made.remove("gateway")
    made.play(suite.pods["gateway"])
    wait_until_ready(made, ["gateway"])
