"""Runs Envoy from a wheel, with gateway/envoy.yaml adapted to local addresses."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ingestor.gateway.envoy import binary, set_address, set_clusters, set_listener
from ingestor.gateway.render import apply, template
from ingestor.gateway.settings import GatewaySettings
from ingestor.gateway.sign_in import GatewayError
from ingestor.gateway.traces import CLUSTER as COLLECTOR
from ingestor.local.children import answers, spawn, stop, wait_ready
from ingestor.local.errors import SuiteError
from ingestor.local.ports import LOOPBACK, free_port

WEB = "web"  # name of the page server's cluster


def render(text: str, *, port: int, admin_port: int, clusters: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The configuration with listener and admin on loopback ports and each cluster at its host:ports. Without
    an address for the page server, the page answers 404. Raises KeyError when any other cluster has no
    address."""
    config: dict[str, Any] = yaml.safe_load(text)
    if WEB not in clusters:
        _without_page(config)
    set_address(config["admin"]["address"], f"{LOOPBACK}:{admin_port}")
    set_listener(config, f"{LOOPBACK}:{port}")
    for cluster in config["static_resources"]["clusters"]:
        cluster["type"] = "STATIC"
    set_clusters(config, clusters)
    return config


def _without_page(config: dict[str, Any]) -> None:
    """Remove the page server; its paths answer 404."""
    resources = config["static_resources"]
    resources["clusters"] = [cluster for cluster in resources["clusters"] if cluster["name"] != WEB]
    (listener,) = resources["listeners"]
    (manager,) = listener["filter_chains"][0]["filters"]
    (host,) = manager["typed_config"]["route_config"]["virtual_hosts"]
    for route in host["routes"]:
        if route.get("route", {}).get("cluster") == WEB:
            del route["route"]
            body = {"inline_string": "The page is not built.\n"}
            route["direct_response"] = {"status": 404, "body": body}


class Envoy:
    """Starts and stops the gateway."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        clusters: Mapping[str, Sequence[str]],
        settings: GatewaySettings,
    ) -> None:
        self._folder = folder.absolute()
        self._port = port
        self._clusters = clusters
        self._settings = settings
        self._admin_port = self._metrics_port = 0
        self.instance = "envoy"
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.log = self._folder / "logs" / "envoy.log"

    @property
    def admin(self) -> str:
        """URL of the admin interface."""
        return f"http://{LOOPBACK}:{self._admin_port}"

    @property
    def metrics(self) -> str:
        """URL of its metrics for Prometheus."""
        return f"http://{LOOPBACK}:{self._metrics_port}/metrics"

    def start(self) -> None:
        """Start it, without waiting until it serves; started again it has the same ports. Raises SuiteError
        when the wheel is missing or the settings are wrong."""
        if not self._admin_port:
            self._admin_port, self._metrics_port = free_port(), free_port()
        settings = self._settings.model_copy(update={"metrics_listen": f"{LOOPBACK}:{self._metrics_port}"})
        config = self._folder / "envoy.json"
        rendered = render(
            template().read_text("utf-8"),
            port=self._port,
            admin_port=self._admin_port,
            clusters=self._clusters,
        )
        try:
            apply(rendered, settings)
            program = binary()
        except GatewayError as error:
            raise SuiteError(str(error)) from error
        config.touch(0o600)
        config.write_text(json.dumps(rendered, indent=2), "utf-8")
        self.process = spawn(
            [program, "-c", config, "--log-level", "warn", "--concurrency", "2", "--use-dynamic-base-id"],
            log=self.log,
        )

    def wait(self) -> None:
        """Wait until it serves. Raises SuiteError when it does not in time."""
        assert self.process is not None
        wait_ready(self.process, self.is_ready, what="Envoy", log=self.log)

    def is_ready(self) -> bool:
        """Whether it listens and every cluster is healthy."""
        if not answers(f"{self.admin}/ready"):  # it listens when it has asked for the keys of tokens
            return False
        try:
            with urllib.request.urlopen(f"{self.admin}/clusters?format=json", timeout=2) as answer:  # noqa: S310
                clusters = json.load(answer)["cluster_statuses"]
        except (urllib.error.URLError, OSError, ValueError, KeyError):
            return False
        needed = [cluster for cluster in clusters if cluster["name"] != COLLECTOR]  # it may be away
        return len(needed) >= len(self._clusters) and all(_healthy(cluster) for cluster in needed)

    def stop(self) -> None:
        """Stop it."""
        if self.process:
            stop(self.process, seconds=10)
            self.process = None


def _healthy(cluster: dict[str, Any]) -> bool:
    hosts = cluster.get("host_statuses", [])
    return bool(hosts) and all(
        host["health_status"].get("eds_health_status") == "HEALTHY"
        and not host["health_status"].get("failed_active_health_check", False)
        and not host["health_status"].get("pending_active_hc", False)
        for host in hosts
    )
