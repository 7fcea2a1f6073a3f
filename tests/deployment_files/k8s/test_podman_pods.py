"""What podman is given is what kustomize has built, as far as podman knows it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.deploy.k8s.podman_pods import Playable, playable
from tests.deployment_files.k8s.builds import build, of_kind

LOCAL = ("small", "local", "network-policies", "network-policies-local")


@pytest.fixture
def found() -> Playable:
    """The overlay `local`."""
    return playable(build(LOCAL), tag="1.2.3")


def test_pods_have_the_names_by_which_they_are_called(found: Playable) -> None:
    assert found.pods.keys() == {
        "upload", "converter", "orchestrator", "processor", "processor-worker", "status", "gateway",
        "postgres", "emulator",
    }  # fmt: skip
    assert found.jobs.keys() == {"provision", "migrate", "queues"}
    assert found.templates.keys() == {"check", "first-key"}


def test_what_security_depends_on_stays(found: Playable) -> None:
    deployments = {each["metadata"]["name"]: each for each in of_kind(build(LOCAL), "Deployment")}
    spec = deployments["processor-api"]["spec"]["template"]["spec"]
    played = found.pods["processor"]["spec"]
    assert played["securityContext"] == spec["securityContext"]
    assert played["containers"][0]["securityContext"] == spec["containers"][0]["securityContext"]
    assert played["containers"][0]["image"] == "localhost/ingestor-processor:1.2.3"
    assert played["containers"][0]["env"] == spec["containers"][0]["env"]


def test_secrets_are_decoded() -> None:
    secret = {
        "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "aGk="}, "stringData": {"b": "there"},
    }  # fmt: skip
    (made,) = playable([secret], tag="x").objects
    assert (made["kind"], made["data"]) == ("ConfigMap", {"a": "hi", "b": "there"})


def test_temporary_folders_are_not_shared(found: Playable) -> None:
    names = [
        volume["name"]
        for pod in found.pods.values()
        for volume in pod["spec"]["volumes"]
        if "emptyDir" in volume
    ]
    assert len(names) == len(set(names)) >= len(found.pods)


def test_what_podman_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot play the StatefulSet x"):
        playable([{"kind": "StatefulSet", "metadata": {"name": "x"}}], tag="x")
    manifests: list[Any] = copy.deepcopy([*build(LOCAL)])
    for each in of_kind(manifests, "Service"):
        if each["metadata"]["name"] == "upload":
            each["spec"]["ports"][0]["port"] = 1
    with pytest.raises(ValueError, match="changes a port"):
        playable(manifests, tag="x")
