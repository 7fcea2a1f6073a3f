"""The Pod Security Standard "restricted" (with "baseline", which it contains), rule by rule:
https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
    "secret",
}  # fmt: skip
_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
_SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def violations(spec: dict[str, Any]) -> list[str]:
    """What in the spec of a pod the standard forbids; nothing: the namespace takes it."""
    return [*_of_pod(spec), *(f"{c['name']}: {v}" for c in _containers(spec) for v in _of_container(spec, c))]


def _containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in spec.get(kind) or []]


def _of_pod(spec: dict[str, Any]) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec.get("volumes") or []:
        if forbidden := volume.keys() - {"name"} - _VOLUMES:
            yield f"a volume of the kind {', '.join(forbidden)}"
    context = spec.get("securityContext") or {}
    for sysctl in context.get("sysctls") or []:
        if sysctl["name"] not in _SYSCTLS:
            yield f"the sysctl {sysctl['name']}"
    yield from _of_any_context(context)


def _of_any_context(context: dict[str, Any]) -> Iterator[str]:
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("user") or selinux.get("role") or selinux.get("type", "") not in _SELINUX_TYPES:
        yield "seLinuxOptions"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") == "Unconfined":
        yield "an unconfined AppArmor profile"
    if context.get("runAsUser") == 0:
        yield "runAsUser 0"
    if context.get("runAsNonRoot") is False:
        yield "runAsNonRoot false"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") == "Unconfined":
        yield "an unconfined seccomp profile"


def _of_container(spec: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    pod, own = spec.get("securityContext") or {}, container.get("securityContext") or {}
    yield from _of_any_context(own)
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if {**pod, **own}.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if "seccompProfile" not in {**pod, **own}:
        yield "no seccomp profile"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield "capabilities are not dropped"
    if more := set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"the capabilities {', '.join(sorted(more))}"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield "a hostPort"
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container.get(kind) or {}
        if (probe.get("httpGet") or {}).get("host") or (probe.get("tcpSocket") or {}).get("host"):
            yield f"a host in the {kind}"
