"""Every combination of components is built, and everything in it is what Kubernetes' schemas allow."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.deployment_files.k8s.builds import (
    K8S,
    PLATFORMS,
    Combination,
    Manifest,
    build,
    build_folder,
    combinations,
    kubectl,
    named,
    of_kind,
)

# Of resources that operators add, whose schemas are with the operators: what is used here.
OTHERS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "operators.yaml").read_text())
VERSIONS = ("1.32", "1.37")  # the oldest that is supported, and the newest that is known
_valid: set[str] = set()


def problems(manifest: Manifest) -> list[str]:
    """What is wrong with a manifest, by its schema."""
    digest = hashlib.sha256(yaml.safe_dump(manifest).encode()).hexdigest()
    if digest in _valid:
        return []
    of = f"{manifest['apiVersion']} {manifest['kind']}"
    try:
        if of in OTHERS:
            jsonschema.validate(manifest.get("spec", {}), OTHERS[of])
        else:
            for version in VERSIONS:
                kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{named(manifest)}: {error.message}"]
    except jsonschema.ValidationError as error:
        return [f"{named(manifest)}: {error.json_path}: {error.message}"]
    _valid.add(digest)
    return []


@pytest.mark.parametrize("components", combinations(), ids="+".join)
def test_a_combination_is_valid(components: Combination) -> None:
    manifests = build(components)
    assert [problem for each in manifests for problem in problems(each)] == []
    names = [named(each) for each in manifests]
    assert len(names) == len(set(names))
    assert all(
        each["metadata"].get("namespace") == "ingestor"
        for each in manifests
        if each["kind"] not in ("Namespace", "PriorityClass")
    )


@pytest.mark.parametrize("name", [path.name for path in (K8S / "overlays").iterdir()])
def test_an_overlay_is_valid(name: str) -> None:
    manifests = build_folder(K8S / "overlays" / name)
    assert [problem for each in manifests for problem in problems(each)] == []


def test_a_wrong_field_is_found() -> None:
    kubectl()
    (found,) = (each for each in of_kind(build(()), "Deployment") if each["metadata"]["name"] == "upload")
    assert problems({**found, "spec": {**found["spec"], "replica": 3}})
    (scaler,) = of_kind(build(("keda",)), "ScaledObject")
    assert problems({**scaler, "spec": {**scaler["spec"], "maxReplicas": 3}})


def test_components_are_all_tried() -> None:
    tried = {name for each in combinations() for name in each}
    assert tried == {path.name for path in (K8S / "components").iterdir()}


@pytest.mark.parametrize("platform", PLATFORMS, ids="+".join)
def test_what_scales_itself_has_no_number_of_replicas(platform: Combination) -> None:
    manifests = build((*platform, "keda"))
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for each in of_kind(manifests, "HorizontalPodAutoscaler", "ScaledObject")
    }
    assert scaled == {"upload", "status", "processor-worker"}
    for each in of_kind(manifests, "Deployment"):
        assert ("replicas" in each["spec"]) == (each["metadata"]["name"] not in scaled)
