"""Certificates for Envoy: it takes them from files by SDS, and takes them again when they are replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ingestor.local.tls.ca import Leaf

_TYPES = "type.googleapis.com/envoy.extensions.transport_sockets"
_LEAST_VERSION = {"tls_minimum_protocol_version": "TLSv1_2"}


class EnvoySecrets:
    """Writes the files that name the certificates' files."""

    def __init__(self, folder: Path) -> None:
        """`folder` of what is written for Envoy."""
        self._folder = folder

    def server(self, name: str, leaf: Leaf, alpn: list[str] | None = None) -> dict[str, Any]:
        """The TLS context of a listener that shows this certificate."""
        context: dict[str, Any] = {
            "tls_params": _LEAST_VERSION,
            "tls_certificate_sds_secret_configs": [self._certificate(f"{name}_certificate", leaf)],
        }
        if alpn:
            context["alpn_protocols"] = alpn
        return {"@type": f"{_TYPES}.tls.v3.DownstreamTlsContext", "common_tls_context": context}

    def client(self, leaf: Leaf, server: str) -> dict[str, Any]:
        """The transport socket of a cluster: mutual TLS with servers whose certificates name `server`."""
        names = [{"san_type": "DNS", "matcher": {"exact": server}}]
        return tls_socket(
            {
                "@type": f"{_TYPES}.tls.v3.UpstreamTlsContext",
                "sni": server,
                "common_tls_context": {
                    "tls_params": _LEAST_VERSION,
                    "alpn_protocols": ["h2"],
                    "tls_certificate_sds_secret_configs": [self._certificate("client_certificate", leaf)],
                    "combined_validation_context": {
                        "default_validation_context": {"match_typed_subject_alt_names": names},
                        "validation_context_sds_secret_config": self._ca("client_ca", leaf),
                    },
                },
            }
        )

    def _certificate(self, name: str, leaf: Leaf) -> dict[str, Any]:
        secret = {
            "tls_certificate": {
                "certificate_chain": {"filename": str(leaf.certificate)},
                "private_key": {"filename": str(leaf.key)},
                "watched_directory": {"path": str(leaf.certificate.parent)},
            }
        }
        return self._secret(name, secret)

    def _ca(self, name: str, leaf: Leaf) -> dict[str, Any]:
        secret = {
            "validation_context": {
                "trusted_ca": {"filename": str(leaf.ca)},
                "watched_directory": {"path": str(leaf.ca.parent)},
            }
        }
        return self._secret(name, secret)

    def _secret(self, name: str, secret: dict[str, Any]) -> dict[str, Any]:
        """Write what SDS answers for `name`; the reference to it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{name}.json"
        resource = {"@type": f"{_TYPES}.tls.v3.Secret", "name": name, **secret}
        file.write_text(json.dumps({"resources": [resource]}, indent=2), "utf-8")
        return {"name": name, "sds_config": {"path_config_source": {"path": str(file)}}}


def tls_socket(context: dict[str, Any]) -> dict[str, Any]:
    """The transport socket with this TLS context."""
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}
