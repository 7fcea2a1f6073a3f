"""What one client, and all of them together, may take of the gateway."""

from __future__ import annotations

from typing import Any

from ingestor.gateway.replies import reply
from ingestor.gateway.retries import public_methods
from ingestor.gateway.settings import GatewaySettings
from ingestor.runtime.errors import UnavailableError

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_LIMIT = "envoy.filters.http.local_ratelimit"
_ADDRESS = "masked_remote_address"
_MOST_ADDRESSES = 10_000  # whose buckets are known; one that is forgotten has a full one again
_BURST_SECONDS = 4
_ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
_TOO_MANY = "More calls come from your address than the gateway takes; try again shortly."
_SLOW_SECONDS = 60  # for sending the request, beside the time limit of the method


def bound_calls(config: dict[str, Any], settings: GatewaySettings) -> None:
    """Give streams and calls budgets of their own at each service (Envoy's priorities), end calls whose
    request does not come, and limit calls by address, connections and memory, in place. It needs the routes
    of single methods."""
    streams = {
        f"/{method.containing_service.full_name}/{method.name}"
        for method in public_methods()
        if method.client_streaming or method.server_streaming
    }
    (listener,) = config["static_resources"]["listeners"]
    for chain in listener["filter_chains"]:
        manager = chain["filters"][-1]["typed_config"]
        manager["xff_num_trusted_hops"] = settings.gateway_trusted_hops
        for host in manager["route_config"]["virtual_hosts"]:
            for route in host["routes"]:
                path = route["match"].get("path", "")
                if path.startswith("/ingestor.") and path not in streams:
                    _bound_call(route["route"])
        if settings.auth != "local" and settings.gateway_calls_per_second:
            _limit_addresses(manager, settings.gateway_calls_per_second)
    _bound_everything(config, settings)


def _bound_call(route: dict[str, Any]) -> None:
    """Envoy's timeout begins when the whole request is there, so that one whose end never comes needs a bound
    of its own."""
    route["priority"] = "HIGH"
    longest = float(route["timeout"].removesuffix("s")) + _SLOW_SECONDS
    route["max_stream_duration"] = {"max_stream_duration": f"{longest:g}s"}


def _limit_addresses(manager: dict[str, Any], per_second: int) -> None:
    """A bucket of calls for each address, of version 6 for each /64."""
    bucket = {
        "max_tokens": per_second * _BURST_SECONDS,
        "tokens_per_fill": max(1, per_second // 10),
        "fill_interval": "0.1s" if per_second >= 10 else f"{1 / per_second:.3f}s",
    }
    actions = [{_ADDRESS: {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}]
    limit = {
        "name": _LIMIT,
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "gateway",
            "filter_enabled": _ALWAYS,
            "filter_enforced": _ALWAYS,
            "rate_limits": [{"actions": actions}],
            "descriptors": [{"entries": [{"key": _ADDRESS}], "token_bucket": bucket}],
            "max_dynamic_descriptors": _MOST_ADDRESSES,
            "always_consume_default_token_bucket": False,
        },
    }
    names = [part["name"] for part in manager["http_filters"]]
    # Behind CORS, so that a page may read why; before tokens are checked, which costs more.
    manager["http_filters"].insert(names.index("envoy.filters.http.cors") + 1, limit)
    error = UnavailableError("TOO_MANY_CALLS", _TOO_MANY, metadata={"of": "address"}, retry_seconds=1)
    refusal = reply("response.code_details == 'local_rate_limited'", 429, error)
    manager.setdefault("local_reply_config", {"mappers": []})["mappers"].insert(0, refusal)


def _bound_everything(config: dict[str, Any], settings: GatewaySettings) -> None:
    """Over the most connections new ones are closed; near the end of its memory Envoy ends the streams that
    buffer most, and then takes no calls."""
    config["admin"]["ignore_global_conn_limit"] = True
    heap = {
        "name": "envoy.resource_monitors.fixed_heap",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.resource_monitors.fixed_heap.v3.FixedHeapConfig",
            "max_heap_size_bytes": settings.gateway_memory_bytes,
        },
    }
    connections = {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": settings.gateway_max_connections,
        },
    }

    def at(action: str, **trigger: Any) -> dict[str, Any]:
        return {
            "name": f"envoy.overload_actions.{action}",
            "triggers": [{"name": heap["name"], **trigger}],
        }

    config["overload_manager"] = {
        "refresh_interval": "0.25s",
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": 20},
        "resource_monitors": [heap, connections],
        "actions": [
            at("shrink_heap", threshold={"value": 0.8}),
            at("reset_high_memory_stream", scaled={"scaling_threshold": 0.85, "saturation_threshold": 0.95}),
            at("stop_accepting_requests", threshold={"value": 0.95}),
        ],
    }
