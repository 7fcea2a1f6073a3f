"""Pods keep the Pod Security Standard "restricted", and have what else a good pod has."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from tests.deployment_files.k8s.builds import (
    EXTRAS,
    PLATFORMS,
    Combination,
    Manifest,
    build,
    of_kind,
    pod_templates,
    selected,
    with_policies,
)
from tests.deployment_files.k8s.restricted import violations

WHOLE = [with_policies((), platform, EXTRAS) for platform in PLATFORMS]


@pytest.fixture(params=WHOLE, ids="+".join)
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """The base with everything, on each platform."""
    return build(request.param)


def test_pods_are_restricted(manifests: tuple[Manifest, ...]) -> None:
    found = dict(pod_templates(manifests))
    assert len(found) >= 12
    assert {name: bad for name, pod in found.items() if (bad := violations(pod["spec"]))} == {}


def test_the_namespace_insists_on_it(manifests: tuple[Manifest, ...]) -> None:
    (namespace,) = of_kind(manifests, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def _container(change: Callable[[Manifest], object]) -> Callable[[Manifest], object]:
    return lambda spec: change(spec["containers"][0])


BREACHES: dict[str, Callable[[Manifest], object]] = {
    "host network": lambda s: s.update(hostNetwork=True),
    "host pid": lambda s: s.update(hostPID=True),
    "host path": lambda s: s["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    "root": lambda s: s["securityContext"].update(runAsUser=0),
    "maybe root": lambda s: s["securityContext"].pop("runAsNonRoot"),
    "no seccomp": lambda s: s["securityContext"].pop("seccompProfile"),
    "unconfined": lambda s: s["securityContext"].update(seccompProfile={"type": "Unconfined"}),
    "sysctl": lambda s: s["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    "privileged": _container(lambda c: c["securityContext"].update(privileged=True)),
    "escalation": _container(lambda c: c["securityContext"].pop("allowPrivilegeEscalation")),
    "capabilities stay": _container(lambda c: c["securityContext"].pop("capabilities")),
    "a capability more": _container(lambda c: c["securityContext"]["capabilities"].update(add=["NET_RAW"])),
    "host port": _container(lambda c: c["ports"][0].update(hostPort=80)),
    "proc": _container(lambda c: c["securityContext"].update(procMount="Unmasked")),
    "init container": lambda s: s.update(initContainers=[{"name": "x", "image": "x:1"}]),
}


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES.keys())
def test_a_breach_is_found(breach: Callable[[Manifest], object]) -> None:
    spec = copy.deepcopy(dict(pod_templates(build(())))["Deployment upload"]["spec"])
    assert violations(spec) == []
    breach(spec)
    assert violations(spec)


def test_roots_are_read_only_and_folders_have_bounds(manifests: tuple[Manifest, ...]) -> None:
    for name, pod in pod_templates(manifests):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        for volume in spec["volumes"]:
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), f"{name}: {volume['name']}"
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["requests"].keys(), name
            assert {"memory", "ephemeral-storage"} <= container["resources"]["limits"].keys(), name
            tag = container["image"].rpartition(":")[2]
            assert tag not in ("", "latest", container["image"]), f"{name}: {container['image']}"


def test_what_lasts_is_probed(manifests: tuple[Manifest, ...]) -> None:
    for each in of_kind(manifests, "Deployment"):
        for container in each["spec"]["template"]["spec"]["containers"]:
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert container.get(kind), f"{each['metadata']['name']}: {kind}"


@pytest.mark.parametrize("size", [(), ("small",), ("large",)], ids="+".join)
def test_every_role_has_a_budget_for_disruptions(size: Combination) -> None:
    found = build(size)
    budgets = of_kind(found, "PodDisruptionBudget")
    deployments = of_kind(found, "Deployment")
    assert len(deployments) == 8
    for each in deployments:
        labels = each["spec"]["template"]["metadata"]["labels"]
        (budget,) = (one for one in budgets if selected(one["spec"]["selector"], labels))
        assert budget["spec"]["maxUnavailable"] == 1  # so that a single pod never blocks a drain


def test_pods_have_time_to_drain() -> None:
    found = build(())
    (settings,) = (
        each for each in of_kind(found, "ConfigMap") if each["metadata"]["name"].startswith("settings-")
    )
    needed = sum(float(settings["data"][f"INGESTOR_{name}_SECONDS"]) for name in ("LAME_DUCK", "DRAIN"))
    for name, pod in pod_templates(of_kind(found, "Deployment")):
        if "web" not in name:
            assert pod["spec"]["terminationGracePeriodSeconds"] >= needed + 5, name


def test_the_converter_knows_no_database(manifests: tuple[Manifest, ...]) -> None:
    pod = dict(pod_templates(manifests))["Deployment converter"]
    assert "database" not in str(pod["spec"])
    assert "DATABASE" not in str(pod["spec"])
