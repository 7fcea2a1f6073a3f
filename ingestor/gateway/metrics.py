"""What the gateway tells about itself: a listener of its own for Prometheus and for probes.

Envoy's admin interface can stop Envoy, so it stays on loopback. This listener passes two of its pages on, and
nothing else.
"""

from __future__ import annotations

from typing import Any

from ingestor.gateway.envoy import set_address

_ADMIN = "envoy_admin"
_EXTENSIONS = "type.googleapis.com/envoy.extensions.filters"


def serve_metrics(config: dict[str, Any], listen: str) -> None:
    """Add the listener at `listen` (host:port; empty: none) to a configuration whose admin interface has its
    address, in place."""
    if not listen:
        return
    resources = config["static_resources"]
    address: dict[str, Any] = {}
    set_address(address, listen)
    resources["listeners"].append(
        {
            "name": "metrics",
            "address": address,
            "ignore_global_conn_limit": True,  # one looks at a gateway that is full, too
            "filter_chains": [{"filters": [_manager()]}],
        }
    )
    admin = {"endpoint": {"address": config["admin"]["address"]}}
    resources["clusters"].append(
        {
            "name": _ADMIN,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {"cluster_name": _ADMIN, "endpoints": [{"lb_endpoints": [admin]}]},
        }
    )


def _manager() -> dict[str, Any]:
    routes = [
        _page("/metrics", "/stats/prometheus"),
        _page("/readyz", "/ready"),  # 503 until Envoy has its configuration, and while it drains
        {"match": {"path": "/livez"}, "direct_response": {"status": 200}},
    ]
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_EXTENSIONS}.http.router.v3.Router"},
    }
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "metrics",
            "http_filters": [router],
            "route_config": {
                "name": "metrics",
                "virtual_hosts": [{"name": "metrics", "domains": ["*"], "routes": routes}],
            },
        },
    }


def _page(path: str, of_admin: str) -> dict[str, Any]:
    """A page of the admin interface under another path, to be read only."""
    get = {"name": ":method", "string_match": {"exact": "GET"}}
    return {
        "match": {"path": path, "headers": [get]},
        "route": {"cluster": _ADMIN, "timeout": "10s", "prefix_rewrite": of_admin},
    }
