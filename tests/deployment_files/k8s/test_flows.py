"""NetworkPolicies let through what docs/operations/kubernetes.md says, and nothing else."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from tests.deployment_files.k8s.builds import (
    EXTRAS,
    PLATFORMS,
    ROOT,
    Combination,
    Manifest,
    build,
    of_kind,
    pod_templates,
    selected,
    with_policies,
)

PAGE = ROOT / "docs" / "operations" / "kubernetes.md"
Flow = tuple[str, str, int]  # from, to, port


def documented() -> set[Flow]:
    """The rows of the page's table of flows between pods."""
    table = PAGE.read_text("utf-8").partition("## Who talks to whom")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-z, -]+) \| ([a-z, -]+) \| (\d+) \|", table, re.MULTILINE)
    return {
        (source, target, int(port))
        for sources, targets, port in rows
        for source in sources.split(", ")
        for target in targets.split(", ")
    }


def pods(manifests: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """Labels by role."""
    found = {}
    for _, pod in pod_templates(manifests):
        labels = pod["metadata"]["labels"]
        found[labels.get("app.kubernetes.io/component") or labels["app.kubernetes.io/name"]] = labels
    return found


def allowed(manifests: tuple[Manifest, ...], direction: str) -> set[Flow]:
    """Flows between pods that the policies of one side allow: `egress` or `ingress`."""
    found = set()
    everybody = pods(manifests)
    for policy in of_kind(manifests, "NetworkPolicy"):
        spec = policy["spec"]
        own = [role for role, labels in everybody.items() if selected(spec["podSelector"], labels)]
        assert own, f"{policy['metadata']['name']} selects no pod"
        for rule in spec.get(direction, []):
            for peer in rule.get("to" if direction == "egress" else "from", []):
                if "podSelector" not in peer:
                    continue
                others = [role for role, labels in everybody.items() if selected(peer["podSelector"], labels)]
                assert others, f"{policy['metadata']['name']} names a pod that does not exist"
                for port in rule["ports"]:
                    pairs = [(a, b) for a in own for b in others]
                    found |= {
                        (a, b, port["port"]) if direction == "egress" else (b, a, port["port"])
                        for a, b in pairs
                    }
    return found


@pytest.mark.parametrize("platform", PLATFORMS, ids="+".join)
def test_flows_are_those_of_the_documentation(platform: Combination) -> None:
    manifests = build(with_policies((), platform, EXTRAS))
    wanted = documented()
    assert len(wanted) > 20
    if platform != ("local",):
        wanted = {flow for flow in wanted if flow[1] not in ("postgres", "emulator")}
    assert allowed(manifests, "egress") == wanted
    assert allowed(manifests, "ingress") == wanted


@pytest.mark.parametrize("platform", PLATFORMS, ids="+".join)
def test_what_is_not_allowed_is_denied(platform: Combination) -> None:
    manifests = build(with_policies((), platform, ("network-policies",)))
    (deny,) = (each for each in of_kind(manifests, "NetworkPolicy") if each["metadata"]["name"] == "deny-all")
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_converter_gets_nowhere_but_to_files() -> None:
    for platform in (("aws",), ("local",)):
        manifests = build(with_policies((), platform, ("network-policies",)))
        labels = pods(manifests)["converter"]
        ports = {
            port["port"]
            for policy in of_kind(manifests, "NetworkPolicy")
            if selected(policy["spec"]["podSelector"], labels)
            for rule in policy["spec"].get("egress", [])
            for port in rule["ports"]
        }
        # names, traces, and S3 with its credentials
        assert ports == {53, 4317} | ({443, 80} if platform == ("aws",) else {4566})


def test_public_addresses_are_no_way_into_the_cluster() -> None:
    manifests = build(with_policies((), ("aws",), ("network-policies",)))
    (https,) = (each for each in of_kind(manifests, "NetworkPolicy") if each["metadata"]["name"] == "https")
    (block,) = https["spec"]["egress"][0]["to"]
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}
    assert private <= set(block["ipBlock"]["except"])


def settings_of(pod: Manifest, manifests: tuple[Manifest, ...]) -> Manifest:
    """The variables that a pod has from ConfigMaps as a whole."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(manifests, "ConfigMap")}
    (container,) = pod["spec"]["containers"]
    found: Manifest = {}
    for source in container.get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]
    return found


@pytest.mark.parametrize("platform", PLATFORMS, ids="+".join)
def test_traces_go_where_policies_let_them(platform: Combination) -> None:
    manifests = build(with_policies((), platform, ("network-policies", "observability")))
    policies = of_kind(manifests, "NetworkPolicy")
    roles = set()
    for name, pod in pod_templates(of_kind(manifests, "Deployment")):
        labels = pod["metadata"]["labels"]
        if "app.kubernetes.io/component" not in labels:
            continue  # PostgreSQL and the emulator
        roles.add(labels["app.kubernetes.io/component"])
        url = urlsplit(settings_of(pod, manifests)["OTEL_EXPORTER_OTLP_ENDPOINT"])
        assert url.scheme == "http" and url.hostname, name
        _, namespace = url.hostname.split(".")
        ways = {
            (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
            for policy in policies
            if selected(policy["spec"]["podSelector"], labels)
            for rule in policy["spec"].get("egress", [])
            for peer in rule["to"]
            if "namespaceSelector" in peer
            for port in rule["ports"]
        }
        assert (namespace, url.port) in ways, name
    assert roles >= {
        "upload", "converter", "orchestrator", "processor-worker", "processor-api", "status", "gateway"
    }  # fmt: skip


def test_without_the_component_no_traces_are_sent() -> None:
    others = tuple(name for name in EXTRAS if name != "observability")
    for platform in PLATFORMS:
        manifests = build(with_policies((), platform, others))
        for name, pod in pod_templates(manifests):
            given = {
                *settings_of(pod, manifests),
                *(e["name"] for e in pod["spec"]["containers"][0].get("env", [])),
            }
            assert not [variable for variable in given if variable.startswith("OTEL_")], name
