"""TLS at the gateway: what gateway/envoy.yaml gets when it is rendered with certificates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestor.local.tls.ca import Leaf
from ingestor.local.tls.secrets import EnvoySecrets, tls_socket

_HSTS = "max-age=31536000"


@dataclass(frozen=True)
class GatewayTls:
    """The gateway's certificates."""

    shown: Leaf  # to clients
    own: Leaf  # to the services
    folder: Path  # of what is written for Envoy


def add_tls(config: dict[str, Any], tls: GatewayTls) -> None:
    """Make the listener speak TLS only, and the clusters that speak gRPC mutual TLS: each with a server whose
    certificate bears the cluster's name. Every response tells browsers to come by TLS only (HSTS)."""
    config.setdefault("node", {"id": "gateway", "cluster": "gateway"})  # SDS wants to know whom it answers
    secrets = EnvoySecrets(tls.folder)
    (listener,) = config["static_resources"]["listeners"]
    (chain,) = listener["filter_chains"]
    chain["transport_socket"] = tls_socket(secrets.server("gateway", tls.shown, ["h2", "http/1.1"]))
    (manager,) = chain["filters"]
    manager["typed_config"]["http_filters"].insert(0, _hsts())
    for cluster in config["static_resources"]["clusters"]:
        if "typed_extension_protocol_options" in cluster:
            cluster["transport_socket"] = secrets.client(tls.own, cluster["name"])


def _hsts() -> dict[str, Any]:
    """A filter, and the first one, so that refusals of the gateway itself have the header too."""
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
