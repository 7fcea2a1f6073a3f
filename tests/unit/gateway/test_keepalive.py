"""The gateway finds out that the machine of a service has vanished, by asking as often as services allow."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ingestor.gateway.render import template
from ingestor.runtime.host import LEAST_PING_MS

_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CONFIG: dict[str, Any] = yaml.safe_load(template().read_text("utf-8"))
CLUSTERS = {cluster["name"]: cluster for cluster in CONFIG["static_resources"]["clusters"]}


@pytest.mark.parametrize("name", ["upload", "orchestrator", "processor", "status"])
def test_services_are_asked_whether_they_are_there(name: str) -> None:
    options = CLUSTERS[name]["typed_extension_protocol_options"][_OPTIONS]
    keepalive = options["explicit_http_config"]["http2_protocol_options"]["connection_keepalive"]
    interval, timeout = (float(keepalive[key].removesuffix("s")) for key in ("interval", "timeout"))
    assert LEAST_PING_MS / 1000 < interval <= 60
    assert timeout <= 20
