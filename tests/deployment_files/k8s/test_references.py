"""What manifests name exists: ConfigMaps, secrets, accounts, pods, ports, settings."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import SecretStr, TypeAdapter
from pydantic_settings import BaseSettings

from ingestor.gateway.settings import GatewaySettings
from ingestor.provisioning.names import SERVICES, role_of
from ingestor.runtime.aws.queues import QueueNames
from ingestor.runtime.settings import FileStoreSettings
from ingestor.services.orchestrator.settings import OrchestratorSettings
from ingestor.services.processor.settings import ProcessorSettings
from ingestor.services.status.settings import StatusSettings
from ingestor.services.upload.converter.settings import ConverterSettings
from ingestor.services.upload.settings import UploadSettings
from ingestor.web.settings import WebSettings
from tests.deployment_files.k8s.builds import (
    EXTRAS,
    K8S,
    PLATFORMS,
    Manifest,
    build,
    named,
    of_kind,
    pod_templates,
    selected,
    with_policies,
)

SETTINGS: dict[str, tuple[type[BaseSettings], ...]] = {
    "upload": (UploadSettings,),
    "converter": (ConverterSettings,),
    "orchestrator": (OrchestratorSettings,),
    "processor-worker": (ProcessorSettings,),
    "processor-api": (ProcessorSettings,),
    "status": (StatusSettings,),
    "web": (WebSettings,),
    "gateway": (GatewaySettings,),
    "admin": (QueueNames, FileStoreSettings),
}
MADE_BY_PEOPLE = {"rds-ca"}  # a ConfigMap: deploy/k8s/components/aws


def variables(role: str) -> set[str]:
    """The environment variables that a role reads."""
    found = set()
    for cls in SETTINGS[role]:
        for name, field in cls.model_fields.items():
            found.add(f"INGESTOR_{name.upper()}")
            if field.annotation is SecretStr:
                found.add(f"INGESTOR_{name.upper()}_FILE")
    if role == "admin":
        names = ["ADMIN_DATABASE_URL", *(f"{service.upper()}_DATABASE_PASSWORD" for service in SERVICES)]
        found |= {f"INGESTOR_{name}{end}" for name in names for end in ("", "_FILE")}
        found.add("INGESTOR_METRICS_ADDRESSES")
    return found


@pytest.fixture(params=PLATFORMS, ids="+".join)
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """The base with everything, on each platform."""
    return build(with_policies((), request.param, EXTRAS))


def secrets(manifests: tuple[Manifest, ...]) -> dict[str, set[str]]:
    """Names and keys of the secrets that there will be."""
    printed = subprocess.run([K8S / "secrets.sh"], capture_output=True, text=True, check=True).stdout
    found = {
        each["metadata"]["name"]: set(each["stringData"]) for each in yaml.safe_load_all(printed) if each
    }
    for each in of_kind(manifests, "Certificate"):
        found[each["spec"]["secretName"]] = {"tls.crt", "tls.key", "ca.crt"}
    return found


def container_files(pod: Manifest, keys: dict[str, set[str]]) -> Iterator[str]:
    """Every file that volumes of secrets put into a pod."""
    names = {
        volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume
    }
    for mount in pod["containers"][0]["volumeMounts"]:
        if mount["name"] in names:
            yield from (f"{mount['mountPath']}/{key}" for key in keys[names[mount["name"]]])


def test_what_pods_name_exists(manifests: tuple[Manifest, ...]) -> None:
    keys = secrets(manifests)
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(manifests, "ConfigMap")}
    accounts = {each["metadata"]["name"] for each in of_kind(manifests, "ServiceAccount")}
    classes = {each["metadata"]["name"] for each in of_kind(manifests, "PriorityClass")}
    claims = {each["metadata"]["name"] for each in of_kind(manifests, "PersistentVolumeClaim")}
    for name, pod in pod_templates(manifests):
        spec = pod["spec"]
        assert spec.get("serviceAccountName") in {None, *accounts}, name
        assert spec.get("priorityClassName") in {None, *classes}, name
        for volume in spec["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["secretName"] in keys, name
            if "configMap" in volume:
                assert volume["configMap"]["name"] in {*maps, *MADE_BY_PEOPLE}, name
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, name
        (container,) = spec["containers"]
        files = set(container_files(spec, keys))
        assert {mount["name"] for mount in container["volumeMounts"]} == {
            v["name"] for v in spec["volumes"]
        }, name
        for variable in container.get("env", []):
            if reference := variable.get("valueFrom", {}).get("configMapKeyRef"):
                assert reference["key"] in maps[reference["name"]], name
            if variable["name"].endswith("_FILE"):
                assert variable["value"] in files, f"{name}: {variable['name']}"
        for source in container.get("envFrom", []):
            assert source["configMapRef"]["name"] in maps, name


def test_external_secrets_bring_the_same_keys() -> None:
    found = {}
    for each in of_kind(build(("aws",)), "ExternalSecret"):
        spec = each["spec"]
        made = {item["secretKey"] for item in spec.get("data", [])} | set(
            spec["target"].get("template", {}).get("data", {})
        )
        found[spec["target"]["name"]] = made
    wanted = secrets(())
    wanted["database-admin"] -= {"password"}  # of the PostgreSQL in the component local
    assert found == wanted


def test_environment_variables_are_settings_of_the_role(manifests: tuple[Manifest, ...]) -> None:
    for name, pod in pod_templates(manifests):
        role = pod["metadata"]["labels"].get("app.kubernetes.io/component")
        if role is None:
            continue  # PostgreSQL and the emulator
        (container,) = pod["spec"]["containers"]
        given = {variable["name"] for variable in container.get("env", [])}
        assert given <= variables(role), f"{name}: {sorted(given - variables(role))}"


def test_common_settings_are_those_of_some_role(manifests: tuple[Manifest, ...]) -> None:
    known = {variable for role in SETTINGS for variable in variables(role)}
    for each in of_kind(manifests, "ConfigMap"):
        if each["metadata"]["name"].startswith("settings-"):
            given = {name for name in each["data"] if not re.match(r"AWS_|OTEL_", name)}
            assert given
            assert given <= known, sorted(given - known)


def test_a_setting_is_good_for_its_role() -> None:
    """The values that manifests give are accepted."""
    found = build(())
    (settings,) = (
        each for each in of_kind(found, "ConfigMap") if each["metadata"]["name"].startswith("settings-")
    )
    for name, pod in pod_templates(found):
        role = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        (container,) = pod["spec"]["containers"]
        values = settings["data"] | {e["name"]: e["value"] for e in container.get("env", []) if "value" in e}
        for cls in SETTINGS[role]:
            for field, info in cls.model_fields.items():
                value = values.get(f"INGESTOR_{field.upper()}")
                if value is not None:
                    accept: Any = (
                        Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
                    )
                    TypeAdapter(accept).validate_python(value)
                    assert info.annotation is not SecretStr, f"{name}: a secret in {field}"


def test_check_asks_every_pod_for_its_release(manifests: tuple[Manifest, ...]) -> None:
    (job,) = (
        pod for name, pod in pod_templates(manifests) if pod["spec"]["containers"][0].get("args") == ["check"]
    )
    (asked,) = (
        each["value"]
        for each in job["spec"]["containers"][0]["env"]
        if each["name"] == "INGESTOR_METRICS_ADDRESSES"
    )
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind(manifests, "Service")}
    found = set()
    for address in asked.split():
        host, _, port = address.partition(":")
        assert services[host]["clusterIP"] == "None", f"{host} is one address for several pods"
        found.add(services[host]["selector"]["app.kubernetes.io/component"])
        assert port == "9090"
    silent = {"gateway", "web", "admin"}  # they have no such metrics
    assert found == SETTINGS.keys() - silent


def test_services_lead_to_pods(manifests: tuple[Manifest, ...]) -> None:
    pods = [pod for _, pod in pod_templates(of_kind(manifests, "Deployment"))]
    for service in of_kind(manifests, "Service"):
        (pod,) = (
            each
            for each in pods
            if selected({"matchLabels": service["spec"]["selector"]}, each["metadata"]["labels"])
        )
        ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, named(service)


def test_routes_lead_to_services(manifests: tuple[Manifest, ...]) -> None:
    services = {
        (each["metadata"]["name"], port["port"])
        for each in of_kind(manifests, "Service")
        for port in each["spec"]["ports"]
    }
    routes = of_kind(manifests, "HTTPRoute", "GRPCRoute")
    assert len(routes) == 2
    for route in routes:
        for rule in route["spec"]["rules"]:
            assert {(end["name"], end["port"]) for end in rule["backendRefs"]} <= services


def test_what_scales_exists(manifests: tuple[Manifest, ...]) -> None:
    deployments = {each["metadata"]["name"] for each in of_kind(manifests, "Deployment")}
    for each in of_kind(manifests, "HorizontalPodAutoscaler", "ScaledObject"):
        assert each["spec"]["scaleTargetRef"]["name"] in deployments


def test_services_log_in_as_the_roles_that_are_provisioned(manifests: tuple[Manifest, ...]) -> None:
    (found,) = (
        each for each in of_kind(manifests, "ConfigMap") if each["metadata"]["name"].startswith("database-")
    )
    logins = {service: urlsplit(dsn).username for service, dsn in found["data"].items()}
    assert logins == {service: role_of(service) for service in SERVICES}
