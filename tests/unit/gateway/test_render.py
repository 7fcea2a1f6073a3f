"""The gateway's configuration as settings make it; Envoy itself says whether it would take it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm
from pydantic import ValidationError

from ingestor.gateway.envoy import binary
from ingestor.gateway.settings import GatewaySettings
from ingestor.gateway.sign_in import GatewayError, discover_keys

ISSUER = "https://issuer.example/realm"
VARIANTS = {
    "local": {"AUTH": "local"},
    "keys only": {},
    "file": {"OIDC_ISSUER": ISSUER, "OIDC_JWKS": "keys.json"},
    "http": {"OIDC_ISSUER": ISSUER, "OIDC_JWKS": "http://127.0.0.1:4455/jwks"},
    "https": {"OIDC_ISSUER": ISSUER, "OIDC_JWKS": "https://issuer.example/realm/keys"},
    "traces": {"AUTH": "local", "OTLP_ENDPOINT": "https://collector.example", "TRACE_RATIO": "0.25"},
    "origins": {"AUTH": "local", "CORS_ORIGINS": "https://app.example.com,http://localhost:5173"},
}


def render(folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`python -m ingestor.gateway` with these settings."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("INGESTOR_")}
    return subprocess.run(
        [sys.executable, "-m", "ingestor.gateway"],
        cwd=folder,
        env={**others, **{f"INGESTOR_{name}": value for name, value in variables.items()}},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_envoy_takes_every_variant(variant: str, tmp_path: Path) -> None:
    key = generate_private_key(65537, 2048).public_key()
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [RSAAlgorithm.to_jwk(key, as_dict=True)]}))
    done = render(tmp_path, VARIANTS[variant])
    assert done.returncode == 0, done.stderr
    (tmp_path / "envoy.yaml").write_text(done.stdout)
    checked = subprocess.run(
        [binary(), "--mode", "validate", "-c", "envoy.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    filters = [part["name"] for part in _manager(done.stdout)["http_filters"]]
    assert ("envoy.filters.http.jwt_authn" in filters) == ("OIDC_ISSUER" in VARIANTS[variant])


def _manager(text: str) -> dict[str, list[dict[str, str]]]:
    listener, _ = yaml.safe_load(text)["static_resources"]["listeners"]
    found: dict[str, list[dict[str, str]]] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def test_without_sign_in_it_listens_on_loopback(tmp_path: Path) -> None:
    for variant, address in (("local", "127.0.0.1"), ("keys only", "0.0.0.0"), ("https", "0.0.0.0")):
        rendered = yaml.safe_load(render(tmp_path, VARIANTS[variant]).stdout)
        listener, metrics = rendered["static_resources"]["listeners"]
        assert metrics["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": 9090}
        assert listener["address"]["socket_address"] == {"address": address, "port_value": 8080}


def test_tokens_are_looked_at_behind_cors_and_limits_and_before_the_router(tmp_path: Path) -> None:
    done = render(tmp_path, VARIANTS["https"])
    names = [part["name"].rpartition(".")[2] for part in _manager(done.stdout)["http_filters"]]
    assert names[-4:] == ["cors", "local_ratelimit", "jwt_authn", "router"]


def test_the_gateway_traces_calls_but_not_the_page(tmp_path: Path) -> None:
    manager: dict[str, Any] = _manager(render(tmp_path, VARIANTS["traces"]).stdout)
    sampler = manager["tracing"]["provider"]["typed_config"]["sampler"]["typed_config"]
    assert sampler["sampling_percentage"] == {"numerator": 250_000, "denominator": "MILLION"}
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    silent = {route["match"]["prefix"] for route in routes if "tracing" in route}
    assert silent == {"/", "/grpc.health.v1.Health/", "/grpc.reflection."}


def test_the_gateway_reads_the_variables_of_opentelemetry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    assert "tracing" in _manager(render(tmp_path, VARIANTS["local"]).stdout)
    off = {**VARIANTS["local"], "OTLP_ENDPOINT": ""}
    assert "tracing" not in _manager(render(tmp_path, off).stdout)


def test_the_issuers_certificate_is_checked(tmp_path: Path) -> None:
    clusters = yaml.safe_load(render(tmp_path, VARIANTS["https"]).stdout)["static_resources"]["clusters"]
    (keys,) = [cluster for cluster in clusters if cluster["name"] == "oidc_keys"]
    tls = keys["transport_socket"]["typed_config"]
    names = tls["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"]
    assert (tls["sni"], names[0]["matcher"]["exact"]) == ("issuer.example", "issuer.example")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OIDC_ISSUER": "http://127.0.0.1:1"}, "cannot be read"),
        ({"OIDC_ISSUER": "acme"}, "'acme' is not a URL"),
        ({"OIDC_ISSUER": ISSUER, "OIDC_JWKS": "ftp://keys"}, "neither a URL nor a file"),
        ({"AUTH": "local", "CORS_ORIGINS": "https://app.example.com/"}, "is not an origin"),
        ({"AUTH": "none"}, "INGESTOR_AUTH"),
        ({"GATEWAY_HOSTS": "*.example.com"}, "is not a host"),
        ({"AUTH": "local", "OTLP_ENDPOINT": "collector:4317"}, "not a URL such as http://collector:4317"),
        ({"AUTH": "local", "TRACE_RATIO": "2"}, "must be from 0 to 1"),
    ],
)
def test_wrong_settings_are_said_in_one_line(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    done = render(tmp_path, variables)
    assert done.returncode != 0
    assert said in done.stderr
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize("origin", ["*", "app.example.com", "https://*.example.com", "https://a@b", "null"])
def test_an_origin_is_named_in_full(origin: str) -> None:
    with pytest.raises(ValidationError, match="is not an origin"):
        GatewaySettings(cors_origins=origin)


def test_a_file_is_no_discovery_document(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="is not a URL"):
        discover_keys(f"file://{tmp_path}")
