"""TLS at the gateway: to clients, and mutual TLS to the services.

Envoy takes certificates from files by SDS, and takes them again when one is moved into their folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ingestor.gateway.settings import GatewaySettings
from ingestor.gateway.sign_in import GatewayError

_TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_LEAST_VERSION = {"tls_minimum_protocol_version": "TLSv1_2"}
_SERVICES = ("upload", "orchestrator", "processor", "status", "web")
_HSTS = "max-age=31536000"


def use_tls(config: dict[str, Any], settings: GatewaySettings) -> None:
    """Make the listener speak TLS only, and call each service and the page server by mutual TLS: its
    certificate must bear the cluster's name. In place; what the settings leave out stays as it is.

    Raises GatewayError when a file is missing, OSError when what SDS reads cannot be written.
    """
    _check_files(settings)
    if settings.gateway_tls_cert or settings.tls_cert:
        config.setdefault(
            "node", {"id": "gateway", "cluster": "gateway"}
        )  # SDS wants to know whom it answers
    if settings.gateway_tls_cert:
        _from_clients(config, settings)
    if settings.tls_cert:
        _to_services(config, settings)


def _check_files(settings: GatewaySettings) -> None:
    """Envoy itself would start without a certificate, and wait for it."""
    for name in ("gateway_tls_cert", "gateway_tls_key", "tls_cert", "tls_key", "tls_ca"):
        file = getattr(settings, name)
        if file and not Path(file).is_file():
            raise GatewayError(f"INGESTOR_{name.upper()}: there is no file {file}")


def _from_clients(config: dict[str, Any], settings: GatewaySettings) -> None:
    secret = _certificate(settings, "gateway", settings.gateway_tls_cert, settings.gateway_tls_key)
    context = {
        "tls_params": _LEAST_VERSION,
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [secret],
    }
    (listener,) = config["static_resources"]["listeners"]
    for chain in listener["filter_chains"]:
        chain["transport_socket"] = _socket("DownstreamTlsContext", {"common_tls_context": context})
        chain["filters"][-1]["typed_config"]["http_filters"].insert(0, _hsts())


def _to_services(config: dict[str, Any], settings: GatewaySettings) -> None:
    certificate = _certificate(settings, "services", settings.tls_cert, settings.tls_key)
    authority = {"trusted_ca": {"filename": settings.tls_ca}, **_watched(settings.tls_ca)}
    ca = _secret(settings, "services_ca", {"validation_context": authority})
    for cluster in config["static_resources"]["clusters"]:
        service = cluster["name"]
        if service not in _SERVICES:
            continue
        names = [{"san_type": "DNS", "matcher": {"exact": service}}]
        context = {
            "tls_params": _LEAST_VERSION,
            "alpn_protocols": ["http/1.1" if service == "web" else "h2"],
            "tls_certificate_sds_secret_configs": [certificate],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": names},
                "validation_context_sds_secret_config": ca,
            },
        }
        cluster["transport_socket"] = _socket(
            "UpstreamTlsContext", {"sni": service, "common_tls_context": context}
        )


def _hsts() -> dict[str, Any]:
    """Tells browsers to come by TLS only. As the first filter it adds that to refusals of the others too."""
    header = {"key": "strict-transport-security", "value": _HSTS}
    return {
        "name": "hsts",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": {
                "response_mutations": [
                    {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
                ]
            },
        },
    }


def _socket(context: str, content: dict[str, Any]) -> dict[str, Any]:
    typed = {"@type": f"{_TYPES}.{context}", **content}
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed}


def _certificate(settings: GatewaySettings, name: str, certificate: str, key: str) -> dict[str, Any]:
    content = {
        "certificate_chain": {"filename": certificate},
        "private_key": {"filename": key},
        **_watched(certificate),
    }
    return _secret(settings, name, {"tls_certificate": content})


def _watched(file: str) -> dict[str, Any]:
    return {"watched_directory": {"path": str(Path(file).parent)}}


def _secret(settings: GatewaySettings, name: str, secret: dict[str, Any]) -> dict[str, Any]:
    """Write what SDS answers for `name`; the reference to it."""
    folder = Path(settings.gateway_sds_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    resource = {"@type": f"{_TYPES}.Secret", "name": name, **secret}
    file.write_text(json.dumps({"resources": [resource]}, indent=2), "utf-8")
    return {"name": name, "sds_config": {"path_config_source": {"path": str(file)}}}
