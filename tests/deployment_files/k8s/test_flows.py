"""NetworkPolicies let through what docs/operations/kubernetes.md says, and nothing else."""

from __future__ import annotations

import re

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
