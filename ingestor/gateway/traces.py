"""Traces at the gateway: Envoy's own tracer continues the caller's trace and exports a span of each call."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ingestor.gateway.outside import outside_cluster
from ingestor.gateway.settings import GatewaySettings
from ingestor.runtime.release import this_release

CLUSTER = "otlp"
_TRACER = "envoy.tracers.opentelemetry"
_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_MILLION = 1_000_000
# What tells nothing about a file: the page itself, health, reflection.
_UNTRACED = ("/", "/grpc.reflection.", "/grpc.health.v1.Health/")


def trace_calls(config: dict[str, Any], settings: GatewaySettings) -> None:
    """Export spans of calls to the collector that the settings name, in place; without one do nothing."""
    if not settings.otlp_endpoint:
        return
    tracer: dict[str, Any] = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "grpc_service": {"envoy_grpc": {"cluster_name": CLUSTER}, "timeout": "5s"},
        "service_name": "ingestor-gateway",
        "resource_detectors": [
            {
                "name": f"{_TRACER}.resource_detectors.static_config",
                "typed_config": {
                    "@type": f"{_EXTENSIONS}.tracers.opentelemetry.resource_detectors.v3"
                    ".StaticConfigResourceDetectorConfig",
                    "attributes": {
                        "service.namespace": "ingestor",
                        "service.version": this_release().version,
                    },
                },
            }
        ],
    }
    if settings.trace_ratio < 1:
        # The gateway decides about calls from outside, by the id of the trace; the services follow.
        chosen = {"numerator": round(settings.trace_ratio * _MILLION), "denominator": "MILLION"}
        tracer["sampler"] = {
            "name": f"{_TRACER}.samplers.trace_id_ratio_based",
            "typed_config": {
                "@type": f"{_EXTENSIONS}.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig",
                "sampling_percentage": chosen,
            },
        }
    (listener,) = config["static_resources"]["listeners"]
    for chain in listener["filter_chains"]:
        manager = chain["filters"][-1]["typed_config"]
        manager["tracing"] = {"provider": {"name": _TRACER, "typed_config": tracer}}
        for host in manager["route_config"]["virtual_hosts"]:
            for route in host["routes"]:
                match = route["match"]
                if match.get("prefix") in _UNTRACED:
                    route["tracing"] = {"random_sampling": {"numerator": 0}}
                regex = match.get("safe_regex", {}).get("regex")
                pattern = match.get("path") or regex or f"{match['prefix']}*"
                # The name of its spans; all would be called "ingress".
                route["decorator"] = {"operation": pattern.lstrip("/"), "propagate": False}
    config["static_resources"]["clusters"].append(
        outside_cluster(
            CLUSTER, urlsplit(settings.otlp_endpoint), port=4317, connect_timeout="2s", http2=True
        )
    )
