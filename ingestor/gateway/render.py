"""Makes the gateway's configuration of gateway/envoy.yaml and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ingestor.gateway.bounds import bound_calls
from ingestor.gateway.metrics import serve_metrics
from ingestor.gateway.origins import allow_origins, answer_to_hosts, answer_to_this_machine
from ingestor.gateway.retries import repeat_calls
from ingestor.gateway.settings import GatewaySettings
from ingestor.gateway.sign_in import require_tokens
from ingestor.gateway.tls import use_tls
from ingestor.gateway.traces import trace_calls


def template() -> Path:
    """gateway/envoy.yaml of a checkout, else the copy in the installed package."""
    checkout = Path(__file__).parents[2] / "gateway" / "envoy.yaml"
    return checkout if checkout.exists() else Path(__file__).with_name("envoy.yaml")


def load() -> dict[str, Any]:
    """The configuration without what settings add."""
    config: dict[str, Any] = yaml.safe_load(template().read_text("utf-8"))
    return config


def apply(config: dict[str, Any], settings: GatewaySettings) -> None:
    """Add what the settings ask for, in place: which origins may call, whether calls need a token, what a
    client may take, TLS, traces, where metrics are. Where nobody has to sign in, only this machine may call.

    Raises GatewayError when the issuer cannot be asked for its keys or a file of a certificate is missing,
    OSError when what tells Envoy those files cannot be written.
    """
    repeat_calls(config)
    allow_origins(config, settings.origins)
    if settings.auth == "local":
        loopback = settings.auth_local_network == "loopback"
        answer_to_this_machine(config, settings.hosts, settings.origins, loopback=loopback)
    else:
        if settings.hosts:
            answer_to_hosts(config, settings.hosts)
        if settings.oidc_issuer:  # without one there are API keys only, which the services check
            require_tokens(config, settings)
    bound_calls(config, settings)
    use_tls(config, settings)
    trace_calls(config, settings)
    serve_metrics(config, settings.metrics_listen)  # last: what the others change is the listener of users
