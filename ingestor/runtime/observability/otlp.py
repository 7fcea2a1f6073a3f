"""Exports spans by OTLP to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names; unset, nothing is made.

All variables are those of OpenTelemetry: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from opentelemetry import trace

from ingestor.runtime.observability import spans
from ingestor.runtime.release import this_release

log = structlog.get_logger(__name__)

_FLUSH_SECONDS = 2.0  # most time that a stopping service spends on its last spans


@contextmanager
def exporting(service: str) -> Iterator[None]:
    """Export the spans of this process while the context lasts. Without an endpoint, or with one that cannot
    be used (which is logged), none is made: a service never fails because of its traces."""
    if not _endpoint():
        yield
        return
    # Only now: they take time and memory.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if os.environ.get("OTEL_TRACES_SAMPLER_ARG"):
        os.environ.setdefault("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    resource = Resource.create(
        {
            "service.name": f"ingestor-{service}",
            "service.namespace": "ingestor",
            "service.version": this_release().version,
            "service.instance.id": str(uuid.uuid4()),
        }
    ).merge(OTELResourceDetector().detect())  # what the environment says counts
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)  # for instrumentation that plug-ins bring
    spans.use(provider)
    log.info("exporting traces", endpoint=_endpoint())
    try:
        yield
    finally:
        spans.use(None)
        # A collector that is away must not hold up the end of the process.
        closing = threading.Thread(target=provider.shutdown, daemon=True)
        closing.start()
        closing.join(_FLUSH_SECONDS)


def _endpoint() -> str:
    """The URL of the collector; empty: export nothing."""
    if _variable("OTEL_SDK_DISABLED") == "true" or _variable("OTEL_TRACES_EXPORTER") == "none":
        return ""
    name, endpoint = _first("ENDPOINT")
    if not endpoint:
        return ""
    if not endpoint.startswith(("http://", "https://")):
        log.error("no traces: the endpoint must be a URL such as http://collector:4317", variable=name)
        return ""
    name, protocol = _first("PROTOCOL")
    if protocol not in ("", "grpc"):
        log.error("no traces: they are sent by gRPC only", variable=name, value=protocol)
        return ""
    return endpoint


def _first(what: str) -> tuple[str, str]:
    """Name and value of the variable of this kind that counts."""
    name = f"OTEL_EXPORTER_OTLP_TRACES_{what}"
    if not _variable(name):
        name = f"OTEL_EXPORTER_OTLP_{what}"
    return name, _variable(name)


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()
