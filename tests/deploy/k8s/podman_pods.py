"""Turns what kustomize builds into what podman 4 can play: pods whose names are those of their Services.

podman knows no Job, Service or NetworkPolicy, and of a Deployment neither its Services nor probes over gRPC.
On a network of podman a pod has its name as DNS name, so a Deployment becomes a pod with the name of the
Service that leads to it. Everything that the security of a pod depends on stays as it is.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]


@dataclass
class Playable:
    """What is played, in this order; `probed` has the containers with their probes, by the pod's name."""

    objects: list[Manifest] = field(default_factory=list)  # ConfigMaps and claims
    jobs: dict[str, Manifest] = field(default_factory=dict)
    pods: dict[str, Manifest] = field(default_factory=dict)
    templates: dict[str, Manifest] = field(default_factory=dict)  # of suspended CronJobs
    probed: dict[str, Manifest] = field(default_factory=dict)


def playable(manifests: Iterable[Manifest], *, tag: str) -> Playable:
    """`tag` is the tag of the suite's images. Raises ValueError for a kind that is not known here, and for a
    Service whose port is not the container's."""
    found = Playable()
    all_ = list(manifests)
    services = [each for each in all_ if each["kind"] == "Service"]
    for manifest in all_:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        match kind:
            case "ConfigMap" | "Secret":
                found.objects.append(_config_map(manifest))
            case "PersistentVolumeClaim":
                found.objects.append(_without_namespace(manifest))
            case "Deployment":
                if manifest["spec"].get("replicas") == 0:
                    continue
                template = manifest["spec"]["template"]
                name = _service_name(template, services) or name
                found.probed[name] = template["spec"]["containers"][0]
                found.pods[name] = _pod(name, template, tag, restart="Always")
            case "Job":
                found.jobs[name] = _pod(name, manifest["spec"]["template"], tag, restart="Never")
            case "CronJob":
                template = manifest["spec"]["jobTemplate"]["spec"]["template"]
                found.templates[name] = _pod(name, template, tag, restart="Never")
            case (
                "Namespace" | "ServiceAccount" | "PriorityClass" | "Service" | "PodDisruptionBudget"
                | "HorizontalPodAutoscaler" | "NetworkPolicy"
            ):  # fmt: skip
                pass  # not for podman; the static tests look at them
            case _:
                raise ValueError(
                    f"podman cannot play the {kind} {name}, and nothing here says what becomes of it"
                )
    return found


def _config_map(manifest: Manifest) -> Manifest:
    """Secrets too: as a volume podman 4.3 gives a secret's files in base64."""
    data = dict(manifest.get("data") or {})
    if manifest["kind"] == "Secret":
        data = {key: base64.b64decode(value).decode() for key, value in data.items()}
        data |= manifest.get("stringData") or {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": manifest["metadata"]["name"]},
        "data": data,
    }


def _without_namespace(manifest: Manifest) -> Manifest:
    return {**manifest, "metadata": {"name": manifest["metadata"]["name"]}}


def _service_name(template: Manifest, services: Sequence[Manifest]) -> str | None:
    labels = template["metadata"]["labels"].items()
    (container,) = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for service in services:
        if not service["spec"]["selector"].items() <= labels:
            continue
        if service["spec"].get("clusterIP") == "None":
            for port in service["spec"]["ports"]:
                if ports[port["targetPort"]] != port["port"]:
                    raise ValueError(f"the headless service {service['metadata']['name']} changes a port")
        return str(service["metadata"]["name"])
    return None


def _pod(name: str, template: Manifest, tag: str, *, restart: str) -> Manifest:
    spec = copy.deepcopy(template["spec"])
    for key in (
        "topologySpreadConstraints", "priorityClassName", "serviceAccountName",
        "terminationGracePeriodSeconds",
    ):  # fmt: skip
        spec.pop(key, None)
    spec["restartPolicy"] = restart
    for container in spec["containers"]:
        # Without ports: podman 4.3 would publish them all on this machine.
        for key in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports"):
            container.pop(key, None)
        image, _, given = container["image"].partition(":")
        container["image"] = f"localhost/{image}:{tag if image.startswith('ingestor-') else given}"
        container["imagePullPolicy"] = "Never"
        for amounts in container["resources"].values():
            amounts.pop("ephemeral-storage", None)
    for volume in spec["volumes"]:
        if "secret" in volume:
            volume["configMap"] = {"name": volume.pop("secret")["secretName"], "optional": False}
        elif "configMap" in volume:
            volume["configMap"].setdefault("optional", False)
        elif "emptyDir" in volume:
            volume["emptyDir"].pop("sizeLimit", None)
            # podman 4.3 gives pods that call theirs the same the same volume.
            mounts = [m for c in spec["containers"] for m in c["volumeMounts"] if m["name"] == volume["name"]]
            for each in (volume, *mounts):
                each["name"] = f"{name}-{each['name']}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": template["metadata"]["labels"]},
        "spec": spec,
    }
