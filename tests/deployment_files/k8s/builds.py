"""What kustomize makes of combinations of components."""

from __future__ import annotations

import functools
import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
K8S = ROOT / "deploy" / "k8s"
SIZES = ((), ("small",), ("large",))
PLATFORMS = ((), ("aws",), ("local",))
EXTRAS = ("tls", "keda", "network-policies", "observability", "gateway-api")
Manifest = dict[str, Any]
Combination = tuple[str, ...]


def combinations() -> list[Combination]:
    """All of them at night; else each size and platform with everything, and each component alone."""
    extras = (
        [some for count in range(len(EXTRAS) + 1) for some in itertools.combinations(EXTRAS, count)]
        if os.environ.get("INGESTOR_TEST_PROFILE") == "nightly"
        else [EXTRAS]
    )
    found = [
        with_policies(size, platform, some) for size in SIZES for platform in PLATFORMS for some in extras
    ]
    found += [(), *((name,) for (name,) in (*SIZES[1:], *PLATFORMS[1:])), *((name,) for name in EXTRAS)]
    return list(dict.fromkeys(found))


def with_policies(size: Combination, platform: Combination, extras: Sequence[str]) -> Combination:
    """The size first, the platform's own policies with the policies."""
    own = tuple(f"network-policies-{each}" for each in platform if "network-policies" in extras)
    return (*size, *platform, *extras, *own)


@functools.cache
def kubectl() -> str:
    """A kubectl with kustomize 5; without one the test is skipped."""
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("kubectl is not installed")
    said = subprocess.run([found, "version", "--client"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"Kustomize Version: v(\d+)", said)
    if version is None or int(version[1]) < 5:
        pytest.skip(f"kubectl has no kustomize 5: {said}")
    return found


@functools.cache
def build(components: Combination) -> tuple[Manifest, ...]:
    """The base with components."""
    with tempfile.TemporaryDirectory(dir=K8S, prefix=".test-") as folder:
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "ingestor",
            "resources": ["../base"],
            "components": [f"../components/{name}" for name in components],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return build_folder(Path(folder))


def build_folder(folder: Path) -> tuple[Manifest, ...]:
    """What a folder is built to."""
    done = subprocess.run([kubectl(), "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def named(manifest: Manifest) -> str:
    """Kind and name."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [each for each in manifests if each["kind"] in kinds]


def pod_templates(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every template of a pod, with kind and name of what has it."""
    for each in manifests:
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec and "containers" in spec["template"].get("spec", {}):
            yield named(each), spec["template"]


def selected(selector: Manifest, labels: Manifest) -> bool:
    """Whether a label selector matches labels."""
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In", rule
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    wanted: Manifest = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()
